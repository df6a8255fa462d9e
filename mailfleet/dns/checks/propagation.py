"""Check that all authoritative servers of a zone give the same answers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.resolve.answer import Answer, Lookups, Status, query, query_all
from mailfleet.dns.resolve.resolver import Limits, Resolver, gather_bounded
from mailfleet.dns.resolve.server import Address

_SOURCE = "RFC 1034 section 4.3.5; RFC 1912 section 2.2"


@dataclass(frozen=True)
class _Zone:
    """A zone as the world delegates it."""

    name: str
    servers: tuple[tuple[str, str], ...] = ()
    """Name and address of each."""


async def propagation(
    records: Sequence[Record],
    servers: Sequence[Address],
    limits: Limits,
    port: int = 53,
    compared: Sequence[Address] = (),
) -> list[Finding]:
    """Ask all authoritative servers of all zones for every record, and the resolvers that are to
    be compared with them: one finding for each zone where all say the same."""
    resolver = Resolver(servers, limits)
    try:
        names = dict.fromkeys(record.name for record in records)
        # The servers of a zone are the same for all its names.
        zones: dict[str, _Zone] = {}
        await resolver.run_all(map(_zone_of, names), zones.update)
    finally:
        resolver.close()
    members: dict[str, list[Record]] = {name: [] for name in zones}
    for record in records:
        if apex := _apex(record.name, zones):
            members[apex].append(record)
    # One for each server, which many zones may share: the rate is a server's.
    queried = {zone.name: _servers_of(zone, port, compared) for zone in zones.values()}
    addresses = {address for named in queried.values() for address in named.values()}
    resolvers = {address: Resolver([address], limits) for address in addresses}

    async def check(zone: _Zone) -> list[Finding]:
        return await _check_zone(zone, members[zone.name], queried[zone.name], resolvers)

    findings: list[Finding] = []
    try:
        await gather_bounded(check, zones.values(), limits.in_flight, findings.extend)
    finally:
        for one in resolvers.values():
            one.close()
    return findings


def _servers_of(zone: _Zone, port: int, compared: Sequence[Address]) -> dict[str, Address]:
    """How each server is called in findings -> where it is."""
    return {
        **{f"{server} ({address})": Address(address, port) for server, address in zone.servers},
        **{f"resolver {address}": address for address in compared},
    }


def _apex(name: str, zones: dict[str, _Zone]) -> str:
    """The closest zone at or above a name."""
    labels = name.split(".")
    above = (".".join(labels[at:]) for at in range(len(labels)))
    return next((one for one in above if one in zones), "")


def _zone_of(name: str) -> Lookups[dict[str, _Zone]]:
    """The zone that holds a name, by its own: the closest one above that has name servers."""
    labels = name.split(".")
    for at in range(len(labels) - 1):
        apex = ".".join(labels[at:])
        answer = yield from query(apex, "NS")
        if answer.values and not answer.chain:
            pairs = [(server, kind) for server in answer.values for kind in ("A", "AAAA")]
            addresses = yield from query_all(*pairs)
            servers = [
                (server, address)
                for (server, _), server_answer in zip(pairs, addresses, strict=True)
                for address in server_answer.values
            ]
            return {apex: _Zone(apex, tuple(servers))}
    return {}


async def _check_zone(
    zone: _Zone,
    records: Sequence[Record],
    queried: Mapping[str, Address],
    resolvers: Mapping[Address, Resolver],
) -> list[Finding]:
    answers = await asyncio.gather(
        *(resolvers[address].run(_queries(zone, records)) for address in queried.values())
    )
    by_server = {
        server: part
        for (server, address), part in zip(queried.items(), answers, strict=True)
        # Where this machine has no IPv6, such a server says nothing about itself.
        if not (ip_address(address.host).version == 6 and part[0].status is Status.UNREACHABLE)
    }
    return [*_unreachable(zone, by_server), *_differing(zone, records, by_server)]


def _queries(zone: _Zone, records: Sequence[Record]) -> Lookups[tuple[Answer, ...]]:
    """What one server says of the zone and of each record. One that does not answer for the zone is
    asked no more: waiting for it takes the time that other zones need."""
    apex = yield from query(zone.name, "SOA")
    if apex.status is not Status.OK:
        return (apex,)
    rest = yield from query_all(*((record.name, record.type) for record in records))
    return (apex, *rest)


def _unreachable(zone: _Zone, by_server: dict[str, tuple[Answer, ...]]) -> list[Finding]:
    return [
        _finding(
            zone.name,
            "NS",
            "propagation.server",
            f"{server}: {part[0].status}",
            "every server answers for the zone",
            "Lookups at this server take seconds longer, and some fail.",
        )
        for server, part in by_server.items()
        if part[0].status is not Status.OK
    ]


def _differing(
    zone: _Zone, records: Sequence[Record], by_server: dict[str, tuple[Answer, ...]]
) -> list[Finding]:
    answering = {server: part for server, part in by_server.items() if part[0].status is Status.OK}
    serials = {server: part[0].values[0].split()[2] for server, part in answering.items()}
    findings = []
    if len(set(serials.values())) > 1:
        shown = ", ".join(f"{server} {serial}" for server, serial in serials.items())
        findings.append(
            _finding(
                zone.name,
                "SOA",
                "propagation.serial",
                shown,
                "the same serial everywhere",
                "Some servers still have the previous zone, until the next zone transfer.",
            )
        )
    for number, record in enumerate(records, 1):
        values = {server: _shown(part[number]) for server, part in answering.items()}
        if len(set(values.values())) > 1:
            shown = "; ".join(f"{server}: {text}" for server, text in values.items())
            findings.append(
                _finding(
                    record.name,
                    record.type,
                    "propagation",
                    shown,
                    ", ".join(record.values),
                    "Receivers get one or the other at random.",
                )
            )
    if not findings and answering:
        shown = f"{len(answering)} servers agree, serial {next(iter(serials.values()))}"
        ok, severity = Verdict.OK, Severity.RECOMMENDED
        findings = [Finding("propagation", zone.name, "SOA", ok, severity, shown, shown, _SOURCE)]
    return findings


def _shown(answer: Answer) -> str:
    return ", ".join((*answer.chain, *answer.values)) or answer.status.value


def _finding(name: str, kind: str, check: str, found: str, expected: str, effect: str) -> Finding:
    severity = Severity.RECOMMENDED
    return Finding(check, name, kind, Verdict.WARN, severity, found, expected, _SOURCE, effect)
