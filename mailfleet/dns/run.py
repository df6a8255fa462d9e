"""All checks at once, against servers or a recording."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from mailfleet.dns.answer import Answer, ask_all, run
from mailfleet.dns.checks import checks_of
from mailfleet.dns.finding import Finding
from mailfleet.dns.parts import available_cores, elsewhere, parts_of
from mailfleet.dns.propagation import propagation
from mailfleet.dns.record import Record
from mailfleet.dns.resolver import Limits, Resolver, system_servers
from mailfleet.dns.server import Address

if TYPE_CHECKING:
    from mailfleet.dns.recording import Recording

Result = TypeVar("Result")


def servers_of(resolvers: Sequence[str]) -> list[Address]:
    """Those of the setting `dns_resolvers`, else those of this machine."""
    return [Address.parse(text) for text in resolvers] or system_servers()


def run_loop(main: Coroutine[Any, Any, Result]) -> Result:
    """asyncio.run on uvloop where it is installed: for many domains a third of the time."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)


class NothingAnswers(Exception):
    """No server answered anything: nothing is known about the records."""


@dataclass(frozen=True)
class Live:
    """What a run against servers found, and what it asked."""

    # Not shown: asyncio.run makes the text of a result twice, in looking up a signal's handler.
    findings: list[Finding] = field(repr=False)
    answers: list[Answer] = field(repr=False)
    queries: int

    def remembered(self, findings: Sequence[Finding]) -> int:
        """Seconds for which a resolver may go on giving the answers behind these findings."""
        asked = {(finding.name, finding.type) for finding in findings}
        times = [
            answer.ttl
            for answer in self.answers
            if (answer.question.name, answer.question.type) in asked and not answer.failed
        ]
        return max(times, default=0)


@dataclass(frozen=True)
class Part:
    """What one process looks at."""

    records: Sequence[Record]
    own: Sequence[Record]
    """Those of the records that are checked here."""
    servers: Sequence[Address]
    limits: Limits
    blocklists: Sequence[str] = ()


def look_at(
    records: Sequence[Record],
    servers: Sequence[Address],
    limits: Limits,
    blocklists: Sequence[str] = (),
    authoritative: bool = False,
    compared: Sequence[Address] = (),
) -> Live:
    """One look at everything, on every core where there are many domains; with `authoritative`, or
    resolvers to be compared, at propagation too. Raises NothingAnswers."""
    owns = parts_of(records, available_cores())
    shared = replace(limits, rate=limits.rate / len(owns))
    parts = [Part(records, own, servers, shared, blocklists) for own in owns]
    with elsewhere("mailfleet.dns.look", parts[1:]) as others:
        live = _joined([look_at_part(parts[0]), *others.results()])
    _require_answers(live, servers)
    if not authoritative and not compared:
        return live
    more = run_loop(propagation(records, servers, limits, compared=compared))
    return replace(live, findings=live.findings + more)


def look_at_part(part: Part) -> Live:
    """One look at the records of a part."""
    return run_loop(_look(part))


def _joined(looks: Sequence[Live]) -> Live:
    answers = {answer.question: answer for live in looks for answer in live.answers}
    return Live(
        [finding for live in looks for finding in live.findings],
        list(answers.values()),
        sum(live.queries for live in looks),
    )


async def check_live(
    records: Sequence[Record],
    servers: Sequence[Address],
    limits: Limits,
    blocklists: Sequence[str] = (),
) -> Live:
    """Check merged records side by side, each question asked once. Raises NothingAnswers."""
    live = await _look(Part(records, records, servers, limits, blocklists))
    _require_answers(live, servers)
    return live


async def _look(part: Part) -> Live:
    resolver = Resolver(part.servers, part.limits)
    try:
        found = await resolver.run_all(checks_of(part.records, part.blocklists, part.own))
        findings = [finding for one in found for finding in one]
        return Live(findings, resolver.answers(), resolver.sent)
    finally:
        resolver.close()


def _require_answers(live: Live, servers: Sequence[Address]) -> None:
    if live.answers and all(answer.failed for answer in live.answers):
        asked = ", ".join(str(address) for address in servers)
        why = ", ".join(sorted({answer.status.value for answer in live.answers}))
        raise NothingAnswers(f"DNS: {asked}: {why}; name another server with --server")


def absence_remembered(zones: Sequence[str], servers: Sequence[Address]) -> dict[str, int]:
    """Zone -> seconds for which resolvers may remember that a name is not there (the last field of
    its SOA record, RFC 2308 section 4). Zones whose SOA nobody tells are left out. No missing name
    is asked for, which would be remembered."""
    return run_loop(_absence(zones, servers))


async def _absence(zones: Sequence[str], servers: Sequence[Address]) -> dict[str, int]:
    resolver = Resolver(servers, Limits(seconds=3, first_wait=1))
    try:
        answers = await resolver.run(ask_all(*((zone, "SOA") for zone in zones)))
    finally:
        resolver.close()
    return {
        zone: int(answer.values[0].split()[-1])
        for zone, answer in zip(zones, answers, strict=True)
        if answer.values
    }


def check_recorded(
    records: Sequence[Record], recording: "Recording", blocklists: Sequence[str] = ()
) -> list[Finding]:
    """The same checks over what was recorded."""
    return [
        finding
        for check in checks_of(records, blocklists)
        for finding in run(check, recording.lookup)
    ]
