"""One DNS server: queries over UDP, over TCP if truncated, each with a timeout."""

import asyncio
import random
from dataclasses import dataclass
from ipaddress import ip_address

from mailfleet.dns.resolve import wire


class NotReachableError(Exception):
    """The server cannot be reached: refused, no route, or an unusable address."""


class NoAnswerError(Exception):
    """The time was over before an answer to the question came."""


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    host: str
    port: int = 53

    @classmethod
    def parse(cls, text: str) -> "Address":
        """`192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`. Raises
        ValueError."""
        host, port = text, "53"
        if text.startswith("["):
            host, _, rest = text[1:].partition("]")
            port = rest.removeprefix(":") or port
        elif text.count(":") == 1:
            host, port = text.split(":")
        if not 0 < int(port) < 65536:
            raise ValueError(f"{port} is not a port")
        return cls(str(ip_address(host)), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Query:
    """A question as it goes over the wire."""

    name: bytes
    kind: int
    edns: bool = True
    unchecked: bool = False

    def message(self, number: int) -> bytes:
        return wire.query(number, self.name, self.kind, self.edns, self.unchecked)

    @property
    def echo(self) -> bytes:
        """What must come back of it, in lower case."""
        return self.name.lower() + self.kind.to_bytes(2) + b"\0\1"


class _Datagrams(asyncio.DatagramProtocol):
    """Sends queries from one port, and gives each its own answer: the identifier and the question
    must come back (RFC 5452 section 9.1)."""

    def __init__(self) -> None:
        self.waiting: dict[int, tuple[bytes, asyncio.Future[bytes]]] = {}
        self._random = random.SystemRandom()

    def number(self) -> int:
        while (number := self._random.getrandbits(16)) in self.waiting:
            pass
        return number

    def datagram_received(self, data: bytes, addr: object) -> None:
        if len(data) < 12:
            return
        question, future = self.waiting.get(int.from_bytes(data[:2]), (b"", None))
        if future is not None and not future.done() and _echoes(data, question):
            future.set_result(data)

    def error_received(self, exc: Exception) -> None:
        for _, future in self.waiting.values():
            if not future.done():
                future.set_exception(NotReachableError(str(exc)))


def _echoes(data: bytes, question: bytes) -> bool:
    """A server that knows nothing of EDNS may answer FORMERR without the question (RFC 6891
    section 7)."""
    if data[4:6] == b"\0\0":
        return data[3] & 15 == wire.FORMERR
    return data[12 : 12 + len(question)].lower() == question


class Server:
    """A server within one run. Raises NotReachableError and NoAnswerError from `exchange`."""

    def __init__(self, address: Address, rate: float = 0) -> None:
        self.address = address
        self.sent = 0
        self._interval = 1 / rate if rate else 0.0
        self._free_at = 0.0
        self._protocol: _Datagrams | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._opening = asyncio.Lock()
        self._streams = asyncio.Semaphore(16)

    async def exchange(self, question: Query, seconds: float) -> bytes:
        """The server's answer to one query, by TCP where it is truncated."""
        await self._turn()
        data = await self._datagram(question, seconds)
        if not wire.is_truncated(data):
            return data
        await self._turn()
        try:
            async with asyncio.timeout(seconds), self._streams:
                return await self._stream(question)
        except TimeoutError:
            raise NoAnswerError from None
        except (OSError, EOFError) as error:
            raise NotReachableError(f"TCP: {error}") from None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def _turn(self) -> None:
        """Wait until the rate allows another query."""
        self.sent += 1
        if not self._interval:
            return
        now = asyncio.get_running_loop().time()
        self._free_at = max(now, self._free_at) + self._interval
        if (wait := self._free_at - self._interval - now) > 0:
            await asyncio.sleep(wait)

    async def _datagram(self, query: Query, seconds: float) -> bytes:
        protocol = self._protocol or await self._open()
        assert self._transport is not None
        if self._transport.is_closing():
            # The run ended early; this check has not been cancelled yet.
            raise NotReachableError("closed")
        loop = asyncio.get_running_loop()
        number = protocol.number()
        future: asyncio.Future[bytes] = loop.create_future()
        protocol.waiting[number] = query.echo, future
        timer = loop.call_later(seconds, _give_up, future)
        try:
            self._transport.sendto(query.message(number))
            return await future
        finally:
            timer.cancel()
            del protocol.waiting[number]

    async def _open(self) -> _Datagrams:
        async with self._opening:
            if self._protocol is None:
                where = self.address.host, self.address.port
                try:
                    (
                        self._transport,
                        self._protocol,
                    ) = await asyncio.get_running_loop().create_datagram_endpoint(
                        _Datagrams, remote_addr=where
                    )
                except OSError as error:
                    raise NotReachableError(str(error)) from None
            return self._protocol

    async def _stream(self, query: Query) -> bytes:
        message = query.message(random.SystemRandom().getrandbits(16))
        reader, writer = await asyncio.open_connection(self.address.host, self.address.port)
        try:
            # RFC 7766 section 8: length and message in one segment.
            writer.write(len(message).to_bytes(2) + message)
            await writer.drain()
            data = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        finally:
            writer.close()
        if data[:2] != message[:2] or not _echoes(data, query.echo):
            raise NoAnswerError
        if wire.is_truncated(data):
            # By TCP everything fits.
            raise NoAnswerError
        return data


def _give_up(future: asyncio.Future[bytes]) -> None:
    if not future.done():
        future.set_exception(NoAnswerError())
