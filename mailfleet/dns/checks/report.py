"""Findings as lines for a terminal: what matters first, then how much is well."""

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


def coloured(findings: Sequence[Finding] | Spool[Finding]) -> Iterator[str]:
    """The lines of `table`, styled for a terminal."""
    for verdict, line in table(findings):
        yield click.style(line, _COLOURS[verdict] if verdict else None, bold=bool(verdict))


def table(
    findings: Sequence[Finding] | Spool[Finding],
) -> Iterator[tuple[Verdict | None, str]]:
    """Lines, each with the verdict that it heads or none. Reads all findings for each urgency."""
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
            yield finding.verdict, _heading(finding)
            for title, text in _details(finding):
                yield None, f"         {title:7} {printable(text)}"
    shown = [f"{counts[verdict]} {verdict}" for verdict in _ORDER if counts[verdict]]
    yield (None if urgencies else Verdict.OK), ", ".join([*shown, f"{counts[Verdict.OK]} ok"])


def _urgency(finding: Finding) -> tuple[bool, int]:
    return finding.severity is not Severity.REQUIRED, _ORDER.index(finding.verdict)


def _heading(finding: Finding) -> str:
    severity = "" if finding.verdict is Verdict.INFO else f"  {finding.severity}"
    return f"{finding.verdict:8} {finding.name} {finding.type}  {finding.check}{severity}"


def _details(finding: Finding) -> Iterator[tuple[str, str]]:
    yield "seen", finding.seen
    if finding.verdict is not Verdict.INFO and not finding.paste:
        yield "wanted", finding.wanted
    yield "effect", finding.effect
    yield "source", finding.source
    # Never shortened: it is there to be copied.
    for line in finding.paste:
        yield "paste", line


def printable(text: str) -> str:
    """What others wrote into DNS, without anything that a terminal would obey."""
    return "".join(
        character if character.isprintable() else f"\\{ord(character):03}" for character in text
    )
