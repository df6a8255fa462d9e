"""Run all DNS checks of a fleet, against servers or against a recording."""

import asyncio
from collections.abc import Container, Coroutine, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, TypeVar

from mailfleet.dns.checks import checks_of
from mailfleet.dns.checks.blocklist import check_blocklist
from mailfleet.dns.checks.propagation import propagation
from mailfleet.dns.checks.spool import NoRoomError, Spool
from mailfleet.dns.finding import Finding
from mailfleet.dns.record import Record
from mailfleet.dns.resolve.answer import Answer, query_all, run, run_together
from mailfleet.dns.resolve.resolver import Limits, Resolver, system_servers
from mailfleet.dns.resolve.server import Address

if TYPE_CHECKING:
    from mailfleet.dns.resolve.recording import Recording

Result = TypeVar("Result")


def servers_of(resolvers: Sequence[str]) -> list[Address]:
    """The servers of the setting `dns_resolvers`, else those of this machine."""
    return [Address.parse(text) for text in resolvers] or system_servers()


def run_loop(main: Coroutine[Any, Any, Result]) -> Result:
    """Run on uvloop where it is installed, else like asyncio.run. With uvloop a check of many
    domains takes a third less time."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)


class NoServerAnswersError(Exception):
    """The records cannot be checked: no server answered any query, or there is no disk space for
    the answers."""


@dataclass
class CheckRun:
    """The results of one run against servers."""

    findings: Spool[Finding] = field(default_factory=Spool)
    answers: Spool[Answer] = field(default_factory=Spool)
    """A question that was repeated has two answers, the later one last."""
    queries: int = 0

    def cached_for(self, records: Container[tuple[str, str]]) -> int:
        """Seconds for which resolvers may keep the answers for these names and types in their
        caches."""
        times = (
            answer.ttl
            for answer in self.answers
            if (answer.question.name, answer.question.type) in records and not answer.failed
        )
        return max(times, default=0)


def run_checks(
    records: Sequence[Record],
    servers: Sequence[Address],
    limits: Limits,
    blocklists: Sequence[str] = (),
    authoritative: bool = False,
    compared: Sequence[Address] = (),
) -> CheckRun:
    """Check merged records once. With `authoritative`, or with resolvers to compare, check their
    propagation too. Raises NoServerAnswersError."""
    try:
        check_run = run_loop(check_records(records, servers, limits, blocklists))
        if authoritative or compared:
            check_run.findings.extend(
                run_loop(propagation(records, servers, limits, compared=compared))
            )
    except NoRoomError as error:
        raise NoServerAnswersError(f"DNS: {error.filename}: {error.strerror}") from None
    return check_run


async def check_records(
    records: Sequence[Record],
    servers: Sequence[Address],
    limits: Limits,
    blocklists: Sequence[str] = (),
) -> CheckRun:
    """Check merged records concurrently. Raises NoServerAnswersError and NoRoomError."""
    check_run = CheckRun()
    resolver = Resolver(servers, limits, answered=check_run.answers.append)
    try:
        await resolver.run_all(checks_of(records, blocklists), check_run.findings.extend)
    finally:
        resolver.close()
    check_run.queries = resolver.sent
    _require_answers(check_run, servers)
    return check_run


def _require_answers(check_run: CheckRun, servers: Sequence[Address]) -> None:
    reasons = set()
    for answer in check_run.answers:
        if not answer.failed:
            return
        reasons.add(answer.status.value)
    if reasons:
        queried = ", ".join(str(address) for address in servers)
        raise NoServerAnswersError(
            f"DNS: {queried}: {', '.join(sorted(reasons))}; name another server with --server"
        )


def check_recorded(
    records: Sequence[Record], recording: "Recording", blocklists: Sequence[str] = ()
) -> list[Finding]:
    """Run the same checks on recorded answers."""
    return [
        finding
        for check in checks_of(records, blocklists)
        for finding in run(check, recording.lookup)
    ]


def blocklist_findings(
    addresses: Sequence[IPv4Address | IPv6Address],
    blocklists: Sequence[str],
    servers: Sequence[Address],
    limits: Limits,
) -> list[tuple[str, Finding]]:
    """Look up addresses on blocklists. Returns each finding with the zone of its list."""
    return run_loop(_blocklist_findings(addresses, blocklists, servers, limits))


async def _blocklist_findings(
    addresses: Sequence[IPv4Address | IPv6Address],
    blocklists: Sequence[str],
    servers: Sequence[Address],
    limits: Limits,
) -> list[tuple[str, Finding]]:
    resolver = Resolver(servers, limits)
    pairs = [(address, zone) for address in addresses for zone in blocklists]
    try:
        results = await resolver.run(run_together(*(check_blocklist(*pair) for pair in pairs)))
    finally:
        resolver.close()
    return [
        (zone, finding)
        for (_, zone), findings in zip(pairs, results, strict=True)
        for finding in findings
    ]


def negative_ttls(zones: Sequence[str], servers: Sequence[Address]) -> dict[str, int]:
    """Zone -> seconds for which resolvers may cache that a name does not exist (last field of the
    SOA record, RFC 2308 section 4). Zones without an SOA answer are left out. Queries no missing
    name, because that would put its absence into caches."""
    return run_loop(_negative_ttls(zones, servers))


async def _negative_ttls(zones: Sequence[str], servers: Sequence[Address]) -> dict[str, int]:
    resolver = Resolver(servers, Limits(seconds=3, first_wait=1))
    try:
        answers = await resolver.run(query_all(*((zone, "SOA") for zone in zones)))
    finally:
        resolver.close()
    return {
        zone: int(answer.values[0].split()[-1])
        for zone, answer in zip(zones, answers, strict=True)
        if answer.values
    }
