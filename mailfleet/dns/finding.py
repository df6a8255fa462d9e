"""What a check found, as a value: table, JSON and exit code are made of it elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from mailfleet.dns.record import Record, Severity


class Verdict(StrEnum):
    """`info` is worth knowing and never a fault; `unknown`: DNS did not answer."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One thing that holds or does not."""

    check: str
    """Such as `spf.covers`."""
    name: str
    type: str
    verdict: Verdict
    severity: Severity
    seen: str
    wanted: str
    source: str
    """Who says so."""
    effect: str = ""
    """What happens to mail if it stays; empty where all is well."""
    paste: tuple[str, ...] = ()
    """The lines of a zone file that mend it."""

    def blocks(self, strict: bool) -> bool:
        """Whether a gate should close on it."""
        if self.verdict in (Verdict.FAIL, Verdict.UNKNOWN):
            return strict or self.severity is Severity.REQUIRED
        return strict and self.verdict is Verdict.WARN


def of_record(
    record: Record,
    check: str,
    verdict: Verdict,
    seen: str,
    *,
    effect: str = "",
    paste: Iterable[str] | None = None,
    source: str = "",
) -> Finding:
    """A finding on a desired record. Warnings are recommendations, whatever the record is."""
    bad = verdict in (Verdict.FAIL, Verdict.UNKNOWN)
    values = paste if paste is not None else (record.lines if bad or effect else ())
    return Finding(
        check,
        record.name,
        record.type,
        verdict,
        record.severity if bad else Severity.RECOMMENDED,
        seen,
        ", ".join(record.values),
        source or record.source,
        effect or (record.otherwise if bad else ""),
        tuple(f"{record.name}. IN {record.type} {line}" for line in values),
    )
