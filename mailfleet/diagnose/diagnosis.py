"""A diagnosis as a value: screen, JSON and exit code are made of it elsewhere."""

from dataclasses import dataclass

from mailfleet.checks.exit_codes import OK, UNKNOWN


@dataclass(frozen=True)
class Step:
    """One question of the walk, and what came out."""

    question: str
    answer: str


@dataclass(frozen=True)
class Cause:
    """Why the message is not where it should be."""

    cause: str
    evidence: tuple[str, ...]
    remedy: str
    dns: str = ""
    """The family of DNS checks that tells more."""
    found: bool = True
    """False where nothing explains it: then the remedy is where to look next."""


@dataclass(frozen=True)
class Diagnosis:
    """The walk and where it ended."""

    to: str
    steps: tuple[Step, ...]
    cause: Cause
    unanswered: tuple[str, ...] = ()
    """Hosts, or what of them, that could not be asked, and why: they may know more."""
    nobody_answers: bool = False

    @property
    def exit_code(self) -> int:
        """0: the cause was found, 3: it is unknown."""
        return OK if self.cause.found else UNKNOWN
