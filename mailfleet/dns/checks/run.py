"""All checks at once, against servers or a recording."""

import asyncio
import pickle
from collections.abc import Container, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Any, TypeVar

from mailfleet.dns.checks import checks_of
from mailfleet.dns.checks.parts import available_cores, elsewhere, parts_of
from mailfleet.dns.checks.propagation import propagation
from mailfleet.dns.checks.spool import Spool
from mailfleet.dns.finding import Finding
from mailfleet.dns.record import Record
from mailfleet.dns.resolve.answer import Answer, ask_all, run
from mailfleet.dns.resolve.resolver import Limits, Resolver, system_servers
from mailfleet.dns.resolve.server import Address

if TYPE_CHECKING:
    from mailfleet.dns.resolve.recording import Recording

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


class NoServerAnswersError(Exception):
    """Nothing is known about the records: no server answered anything, or there is no room for what
    they answer."""


@dataclass
class Live:
    """What a run against servers found, and what it asked."""

    findings: Spool[Finding] = field(default_factory=Spool)
    answers: Spool[Answer] = field(default_factory=Spool)
    """A question may have been asked again later, and then has two."""
    queries: int = 0

    def remembered(self, records: Container[tuple[str, str]]) -> int:
        """Seconds for which a resolver may go on giving the answers for these names and types."""
        times = (
            answer.ttl
            for answer in self.answers
            if (answer.question.name, answer.question.type) in records and not answer.failed
        )
        return max(times, default=0)

    def send(self, to: IO[bytes]) -> None:
        """Write everything, for `receive` in another process."""
        pickle.dump(self.queries, to)
        self.findings.send(to)
        self.answers.send(to)

    def receive(self, sent: IO[bytes]) -> None:
        """Add what another process found."""
        self.queries += pickle.load(sent)
        self.findings.receive(sent)
        self.answers.receive(sent)


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
    resolvers to be compared, at propagation too. Raises NoServerAnswersError."""
    owns = parts_of(records, available_cores())
    shared = replace(limits, rate=limits.rate / len(owns))
    parts = [Part(records, own, servers, shared, blocklists) for own in owns]
    try:
        with elsewhere("mailfleet.dns.checks.look", parts[1:]) as others:
            live = look_at_part(parts[0])
            for output in others.outputs():
                live.receive(output)
        _require_answers(live, servers)
        if authoritative or compared:
            live.findings.extend(run_loop(propagation(records, servers, limits, compared=compared)))
    except OSError as error:
        raise NoServerAnswersError(f"DNS: {error.filename}: {error.strerror}") from None
    return live


def look_at_part(part: Part) -> Live:
    """One look at the records of a part."""
    return run_loop(_look(part))


async def check_live(
    records: Sequence[Record],
    servers: Sequence[Address],
    limits: Limits,
    blocklists: Sequence[str] = (),
) -> Live:
    """Check merged records side by side. Raises NoServerAnswersError."""
    (own,) = parts_of(records, 1)
    live = await _look(Part(records, own, servers, limits, blocklists))
    _require_answers(live, servers)
    return live


async def _look(part: Part) -> Live:
    live = Live()
    resolver = Resolver(part.servers, part.limits, answered=live.answers.append)
    try:
        checks = checks_of(part.records, part.blocklists, part.own)
        await resolver.run_all(checks, live.findings.extend)
    finally:
        resolver.close()
    live.queries = resolver.sent
    return live


def _require_answers(live: Live, servers: Sequence[Address]) -> None:
    why = set()
    for answer in live.answers:
        if not answer.failed:
            return
        why.add(answer.status.value)
    if why:
        asked = ", ".join(str(address) for address in servers)
        said = ", ".join(sorted(why))
        raise NoServerAnswersError(f"DNS: {asked}: {said}; name another server with --server")


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
    (own,) = parts_of(records, 1)
    return [
        finding
        for check in checks_of(records, blocklists, own)
        for finding in run(check, recording.lookup)
    ]
