"""Authoritative servers that differ: two real ones, one of which got the zone of before."""

import asyncio
import socket
from pathlib import Path

import dns.message
import dns.rdatatype

from mailfleet.dns.checks.propagation import propagation
from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.resolve.resolver import Limits
from mailfleet.dns.resolve.server import Address
from tests.accept.knot import knot

SERVERS = """
@ NS ns2
@ NS ns3
ns2 A 127.0.0.2
ns3 A 127.0.0.3
"""
NOW, BEFORE = "postal A 192.0.2.10\n", "postal A 192.0.2.9\n"
WANTED = Record(
    "postal.example.com", "A", ("192.0.2.10",), "why", "otherwise", Severity.REQUIRED, "source"
)


def look(server: Address, *compared: Address) -> dict[str, Finding]:
    limits = Limits(seconds=20, first_wait=0.3, rate=0)
    found = asyncio.run(propagation([WANTED], [server], limits, server.port, compared))
    return {f"{one.check} {one.verdict}": one for one in found}


def test_differing_and_silent_servers_are_reported(tmp_path: Path) -> None:
    for name in ("one", "two", "same"):
        (tmp_path / name).mkdir()
    zone = {"example.com": SERVERS + NOW}
    with knot(tmp_path / "one", zone) as first:
        asked = Address(first.address, first.port)
        with knot(tmp_path / "two", {"example.com": SERVERS + BEFORE}, "127.0.0.2", first.port):
            found = look(asked)
        assert found.keys() == {"propagation.server warn", "propagation warn"}
        assert found["propagation.server warn"].found.startswith("ns3.example.com (127.0.0.3): ")
        seen = found["propagation warn"].found.split("; ")
        assert "ns1.example.com (127.0.0.1): 192.0.2.10" in seen
        assert "ns2.example.com (127.0.0.2): 192.0.2.9" in seen
        with knot(tmp_path / "same", zone, "127.0.0.2", first.port):
            found = look(asked)
        assert found.keys() == {"propagation.server warn", "propagation ok"}
        assert found["propagation ok"].verdict is Verdict.OK


def test_silent_server_gets_one_query_per_zone(tmp_path: Path) -> None:
    with (
        knot(tmp_path, {"example.com": SERVERS + NOW}) as first,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent,
    ):
        silent.bind(("127.0.0.2", first.port))
        look(Address(first.address, first.port))
        silent.setblocking(False)
        asked = set()
        try:
            while query := silent.recv(4096):
                asked.add(dns.message.from_wire(query).question[0].rdtype)
        except BlockingIOError:
            pass
    # QueuedMessage for more would take the time that other zones need.
    assert asked == {dns.rdatatype.SOA}


def test_resolver_with_cached_previous_records_is_reported(tmp_path: Path) -> None:
    servers = "@ NS ns1\n"
    for name in ("authority", "cache"):
        (tmp_path / name).mkdir()
    with (
        knot(tmp_path / "authority", {"example.com": servers + NOW}) as first,
        # What a resolver answers from its memory.
        knot(tmp_path / "cache", {"example.com": servers + BEFORE}, "127.0.0.2") as cache,
    ):
        authority = Address(first.address, first.port)
        resolver = Address(cache.address, cache.port)
        seen = look(authority, resolver)["propagation warn"].found
        assert seen == f"ns1.example.com (127.0.0.1): 192.0.2.10; resolver {resolver}: 192.0.2.9"
        assert look(authority, authority).keys() == {"propagation ok"}
