"""Findings as a table for a terminal."""

from collections.abc import Iterator, Sequence

import click

from mailfleet.dns.checks.spool import Spool
from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Severity

_ORDER = [Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN, Verdict.INFO]


_COLOURS = {
    Verdict.OK: "green",
    Verdict.INFO: "blue",
    Verdict.WARN: "yellow",
    Verdict.FAIL: "red",
    Verdict.UNKNOWN: "red",
}


def table(findings: Sequence[Finding] | Spool[Finding]) -> Iterator[str]:
    """Lines styled for a terminal: the most urgent findings first, then counts. Reads all findings
    once for each urgency."""
    counts = dict.fromkeys(Verdict, 0)
    urgencies = set()
    for finding in findings:
        counts[finding.verdict] += 1
        if finding.verdict is not Verdict.OK:
            urgencies.add(_urgency(finding))
    for urgency in sorted(urgencies):
        for finding in findings:
            if finding.verdict is Verdict.OK or _urgency(finding) != urgency:
                continue
            yield click.style(_heading(finding), _COLOURS[finding.verdict], bold=True)
            for title, text in _details(finding):
                yield f"         {title:8} {printable(text)}"
    shown = [f"{counts[verdict]} {verdict}" for verdict in _ORDER if counts[verdict]]
    summary = ", ".join([*shown, f"{counts[Verdict.OK]} ok"])
    yield summary if urgencies else click.style(summary, _COLOURS[Verdict.OK], bold=True)


def _urgency(finding: Finding) -> tuple[bool, int]:
    return finding.severity is not Severity.REQUIRED, _ORDER.index(finding.verdict)


def _heading(finding: Finding) -> str:
    severity = "" if finding.verdict is Verdict.INFO else f"  {finding.severity}"
    return f"{finding.verdict:8} {finding.name} {finding.type}  {finding.check}{severity}"


def _details(finding: Finding) -> Iterator[tuple[str, str]]:
    yield "found", finding.found
    if finding.verdict is not Verdict.INFO and not finding.remedy:
        yield "expected", finding.expected
    yield "effect", finding.effect
    yield "source", finding.source
    # Never shortened, to be copied.
    for line in finding.remedy:
        yield "remedy", line


def printable(text: str) -> str:
    """Text from DNS without control characters, which a terminal would interpret."""
    return "".join(
        character if character.isprintable() else f"\\{ord(character):03}" for character in text
    )
