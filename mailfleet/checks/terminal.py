"""Results for a terminal."""

from collections.abc import Iterator, Sequence

import click

from mailfleet.checks.formats import plain
from mailfleet.checks.result import CheckResult, Status

_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red", Status.UNKNOWN: "red"}


def styled(status: Status, text: str) -> str:
    """A text in the colour of a status."""
    return click.style(text, _COLOURS[status])


def table(results: Sequence[CheckResult]) -> Iterator[str]:
    """One line for each result, in the order given; below it what was expected and the remedy."""
    names = [f"{result.component}: {plain(result.name)}" for result in results]
    width = max(map(len, names), default=0)
    hosts = max((len(result.host) for result in results), default=0)
    for result, name in zip(results, names, strict=True):
        status = styled(result.status, f"{result.status.value:7}")
        yield f"{result.host:{hosts}}  {status} {name:{width}}  {plain(result.message)}"
        for line in details(result):
            yield f"{'':{hosts}}          {line}"


def details(result: CheckResult) -> Iterator[str]:
    """Expected value, evidence and remedy, where there are any."""
    if result.expected:
        yield f"expected {plain(result.expected)}"
    yield from map(plain, result.evidence)
    if result.remedy:
        limit = f" ({result.limit})" if result.limit else ""
        yield f"-> {plain(result.remedy)}{limit}"
