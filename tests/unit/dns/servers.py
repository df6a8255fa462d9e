"""Tiny DNS servers on loopback, good and bad."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from mailfleet.dns.resolve.server import Address

Handler = Callable[[dns.message.Message, str], list[bytes]]
"""A query and `udp` or `tcp` -> what is sent back."""
Zone = dict[tuple[str, str], list[str]]


def zone_handler(zone: Zone) -> Handler:
    """A well-behaved recursive server that knows these records only."""

    def handle(query: dns.message.Message, transport: str) -> list[bytes]:
        (question,) = query.question
        name = question.name.to_text().rstrip(".").lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        answer = dns.message.make_response(query, recursion_available=True)
        seen: set[str] = set()
        while (name, "CNAME") in zone and kind != "CNAME" and name not in seen:
            seen.add(name)
            target = zone[name, "CNAME"][0]
            answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", target))
            name = target.rstrip(".")
        if values := zone.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *values))
        else:
            soa = "ns.invalid. root.invalid. 1 2 3 4 300"
            answer.authority.append(dns.rrset.from_text("test.", 900, "IN", "SOA", soa))
            if not any(known == name for known, _ in zone):
                answer.set_rcode(dns.rcode.NXDOMAIN)
        size = 1232 if transport == "udp" else 65535
        wire = answer.to_wire(max_size=65535)
        if len(wire) > size:
            answer.answer.clear()
            answer.flags |= dns.flags.TC
            wire = answer.to_wire()
        return [wire]

    return handle


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for answer in self._handler(dns.message.from_wire(data), "udp"):
            self._transport.sendto(answer, addr)


def _tcp(
    handler: Handler,
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        for answer in handler(dns.message.from_wire(data), "tcp"):
            writer.write(len(answer).to_bytes(2) + answer)
        await writer.drain()
        writer.close()

    return serve


@asynccontextmanager
async def serving(handler: Handler, with_tcp: bool = True) -> AsyncIterator[Address]:
    """A server on loopback for as long as the block runs."""
    loop = asyncio.get_running_loop()
    while True:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Udp(handler), local_addr=("127.0.0.1", 0)
        )
        host, port = transport.get_extra_info("sockname")
        if not with_tcp:
            break
        try:
            streams = await asyncio.start_server(_tcp(handler), host, port)
            break
        except OSError:
            transport.close()
    try:
        yield Address(host, port)
    finally:
        transport.close()
        if with_tcp:
            streams.close()
