"""The result of one DNS check. Tables, JSON and exit codes are made of findings elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from mailfleet.dns.record import Record, Severity

UNKNOWN_EXIT = 3
"""Exit code of a command that got no answer from DNS."""


class Verdict(StrEnum):
    """`info` is never a fault; `unknown`: DNS did not answer."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One thing that is correct or not."""

    check: str
    """Such as `spf.covers`."""
    name: str
    type: str
    verdict: Verdict
    severity: Severity
    found: str
    expected: str
    source: str
    """The standard or manual that asks for it."""
    effect: str = ""
    """What happens to mail as long as it is not corrected; empty with `ok`."""
    remedy: tuple[str, ...] = ()
    """Lines of a zone file that correct it."""

    def blocks(self, strict: bool) -> bool:
        """Whether a gate fails on it."""
        if self.verdict in (Verdict.FAIL, Verdict.UNKNOWN):
            return strict or self.severity is Severity.REQUIRED
        return strict and self.verdict is Verdict.WARN


def exit_code(findings: Iterable[Finding], strict: bool) -> int:
    """2 if a finding blocks, 3 if only unanswered queries do, else 0."""
    blocking = {finding.verdict for finding in findings if finding.blocks(strict)}
    if blocking - {Verdict.UNKNOWN}:
        return 2
    return UNKNOWN_EXIT if blocking else 0


def of_record(
    record: Record,
    check: str,
    verdict: Verdict,
    found: str,
    *,
    effect: str = "",
    remedy: Iterable[str] | None = None,
    source: str = "",
) -> Finding:
    """A finding on a desired record. A warning is always a recommendation.

    + remedy: values as in a zone file; by default those of the record, unless all is well
    """
    bad = verdict in (Verdict.FAIL, Verdict.UNKNOWN)
    values = remedy if remedy is not None else (record.lines if bad or effect else ())
    return Finding(
        check,
        record.name,
        record.type,
        verdict,
        record.severity if bad else Severity.RECOMMENDED,
        found,
        ", ".join(record.values),
        source or record.source,
        effect or (record.otherwise if bad else ""),
        tuple(f"{record.name}. IN {record.type} {line}" for line in values),
    )
