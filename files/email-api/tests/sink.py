"""A real SMTP server in place of the relay, which can be told to misbehave."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class Received:
    sender: str
    recipient: str
    message: bytes


class Sink:
    """`behave` gets each message and says what becomes of it: `take`, an SMTP answer such as
    `451 4.3.0 later`, `hang` without an answer, `cut` the connection before taking it or
    `take and cut` after."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.offered = 0
        self.recipient_answers: dict[str, str] = {}
        self.behave: Callable[[Received], str] = lambda _: "take"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._transports: list[asyncio.BaseTransport] = []
        self.port = 0
        self.open()

    def reset(self) -> None:
        self.received.clear()
        self.recipient_answers.clear()
        self.offered = 0
        self.behave = lambda _: "take"

    def copies(self) -> Counter[tuple[str, bytes]]:
        """How often each mailbox has got each message, told by its body."""
        return Counter(
            (one.recipient, one.message.partition(b"\r\n\r\n")[2]) for one in self.received
        )

    def open(self) -> None:
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    async def _open(self) -> None:
        self._server = await self._loop.create_server(self._session, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Nobody listens any more, and who was connected is not."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()

    async def _close(self) -> None:
        assert self._server
        self._server.close()
        for transport in self._transports:
            transport.close()
        self._transports.clear()

    def _session(self) -> SMTP:
        return _Session(self, data_size_limit=None, enable_SMTPUTF8=True, loop=self._loop)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.recipient_answers.get(address)
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        # aiosmtpd's word for the null sender.
        sender = (envelope.mail_from or "").removeprefix("<>")
        one = Received(sender, envelope.rcpt_tos[0], envelope.original_content or b"")
        self.offered += 1
        behaviour = self.behave(one)
        if behaviour.startswith("take"):
            self.received.append(one)
        if behaviour == "take":
            return "250 OK"
        if behaviour == "hang":
            await asyncio.sleep(3600)
        if behaviour.endswith("cut"):
            assert server.transport
            server.transport.abort()  # type: ignore[attr-defined]
            return ""
        return behaviour


class _Session(SMTP):
    line_length_limit = 2**26

    def __init__(self, sink: Sink, **options: object) -> None:
        super().__init__(sink, **options)  # type: ignore[arg-type]
        self._sink = sink

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sink._transports.append(transport)
        super().connection_made(transport)
