"""Drift as values; the renderers are elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass

from mailfleet.agent.evaluate import Deviation
from mailfleet.checks.exit_codes import exit_code
from mailfleet.checks.result import CheckResult, Status


class Kind(StrEnum):
    """What kind of thing differs."""

    COMPONENT = "component"
    PACKAGE = "package"
    UPDATE = "update"
    FILE = "file"
    DIRECTORY = "directory"
    EXTRA_FILE = "extra file"
    CONDITION = "condition"
    UNIT = "unit"
    TIMER = "timer"
    CONTAINER = "container"
    IMAGE = "image"
    RESTARTS = "restarts"
    ORPHAN = "orphan"
    STALE = "stale"
    FIREWALL = "firewall"
    PORT = "port"
    SSHD = "sshd"
    LOGIN = "login"
    KEY = "key"
    DAEMON = "daemon"
    CERTIFICATE = "certificate"
    GRANT = "grant"
    VARIABLE = "variable"
    SCHEMA = "schema"
    ALIAS = "alias"
    CLOCK = "clock"
    REBOOT = "reboot"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Difference:
    """One thing on a host that differs from the desired state."""

    kind: Kind
    name: str
    """Path, unit, container, setting and the like."""
    desired: str
    observed: str
    remedy: str
    diff: tuple[str, ...] = ()
    """Lines of a unified diff, secrets masked."""

    @classmethod
    def of(cls, found: Deviation) -> "Difference":
        return cls(Kind(found.kind), found.name, found.wanted, found.seen, found.remedy)


@checked_dataclass(frozen=True)
class Finding:
    """A difference, with the host it is on and the component it belongs to."""

    host: str
    component: str
    kind: Kind
    name: str
    desired: str
    observed: str
    remedy: str
    diff: tuple[str, ...] = ()

    @classmethod
    def of(cls, host: str, component: str, it: Difference) -> "Finding":
        return cls(host, component, it.kind, it.name, it.desired, it.observed, it.remedy, it.diff)


def count_text(count: int) -> str:
    """`1 difference`, `2 differences`."""
    return f"{count} difference{'' if count == 1 else 's'}"


@checked_dataclass(frozen=True)
class HostReport:
    """The findings of one host; `error` is why it is unreachable."""

    name: str
    findings: tuple[Finding, ...] = ()
    error: str | None = None

    @property
    def summary(self) -> str:
        """`2 differences`, or `in sync`."""
        return count_text(len(self.findings)) if self.findings else "in sync"

    @property
    def results(self) -> Sequence[CheckResult]:
        """A failure for each finding; a single ok where there is none."""
        if self.error:
            return [CheckResult(self.name, "ssh", "login", Status.UNKNOWN, self.error, "")]
        found = [
            CheckResult(
                self.name,
                one.component,
                f"{one.kind.value} {one.name}",
                Status.UNKNOWN if one.kind is Kind.UNKNOWN else Status.FAIL,
                one.observed,
                one.remedy,
                expected=one.desired,
                evidence=one.diff,
            )
            for one in self.findings
        ]
        return found or [CheckResult(self.name, "drift", "drift", Status.OK, "in sync")]


@checked_dataclass(frozen=True)
class Report:
    """The drift of a fleet."""

    inventory: str
    at: str
    """When hosts were queried: ISO 8601, UTC."""
    hosts: tuple[HostReport, ...]
    version: Literal[1] = 1
    """Of this format; a new one where fields are renamed or removed."""

    @property
    def findings(self) -> Sequence[Finding]:
        return [finding for host in self.hosts for finding in host.findings]

    @property
    def results(self) -> Sequence[CheckResult]:
        """The same as results of a check, for the formats that other tools read."""
        return [result for host in self.hosts for result in host.results]

    @property
    def exit_code(self) -> int:
        """As mailfleet.checks.exit_codes has it."""
        return exit_code(result.status for result in self.results)


REPORT = TypeAdapter(Report)
"""Reads and writes reports as JSON, and has their schema."""
