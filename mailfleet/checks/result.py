"""The result of a check. Table, JSON, JUnit, Nagios, HTML, metrics and exit code are made of it."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Level(StrEnum):
    """`quick` takes a second or two; `full` also waits for other machines; `mail` also sends
    messages."""

    QUICK = "quick"
    FULL = "full"
    MAIL = "mail"


@dataclass(frozen=True)
class CheckResult:
    """What one check found on one host."""

    host: str
    component: str
    name: str
    status: Status
    message: str
    """What was found."""
    remedy: str = ""
    """What to do about it; empty where the status is ok."""
    value: float | None = None
    """What was measured, in the unit of `limit`."""
    limit: str = ""
    level: Level = Level.QUICK
    expected: str = ""
    """What should have been found, where the name does not say it."""
    evidence: tuple[str, ...] = ()
    """Lines that show it: a diff, parts of a log. Secrets are masked."""
    source: str = ""
    """RFC section or manual page that the check comes from."""

    @property
    def summary(self) -> str:
        """Found and expected in one line."""
        return f"{self.message}; expected {self.expected}" if self.expected else self.message
