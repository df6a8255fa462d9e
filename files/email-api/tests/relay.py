"""An SMTP server in place of the relay, which can be made to misbehave."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class ReceivedMessage:
    sender: str
    recipient: str
    message: bytes


class FakeRelay:
    """`behave` is called with each message and returns how to treat it: `accept`, `hang` without a
    reply, `disconnect` before accepting it, `accept and disconnect` before the reply, or a reply
    that refuses it, such as `451 4.3.0 later`."""

    def __init__(self) -> None:
        self.received: list[ReceivedMessage] = []
        self.offered = 0
        self.recipient_replies: dict[str, str] = {}
        self.behave: Callable[[ReceivedMessage], str] = lambda _: "accept"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._transports: list[asyncio.BaseTransport] = []
        self.port = 0
        self.open()

    def reset(self) -> None:
        self.received.clear()
        self.recipient_replies.clear()
        self.offered = 0
        self.behave = lambda _: "accept"

    def copies(self) -> Counter[tuple[str, bytes]]:
        """Number of copies of each message body per mailbox."""
        return Counter(
            (mail.recipient, mail.message.partition(b"\r\n\r\n")[2]) for mail in self.received
        )

    def open(self) -> None:
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    async def _open(self) -> None:
        self._server = await self._loop.create_server(self._session, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop listening and close all connections."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()

    async def _close(self) -> None:
        assert self._server
        self._server.close()
        for transport in self._transports:
            transport.close()
        self._transports.clear()

    def _session(self) -> SMTP:
        return _Connection(self, data_size_limit=None, enable_SMTPUTF8=True, loop=self._loop)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self.recipient_replies.get(address)
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        # aiosmtpd represents the null sender as `<>`.
        sender = (envelope.mail_from or "").removeprefix("<>")
        content = envelope.original_content or b""
        message = ReceivedMessage(sender, envelope.rcpt_tos[0], content)
        self.offered += 1
        behaviour = self.behave(message)
        if behaviour.startswith("accept"):
            self.received.append(message)
        if behaviour == "accept":
            return "250 OK"
        if behaviour == "hang":
            await asyncio.sleep(3600)
        if behaviour.endswith("disconnect"):
            assert server.transport
            server.transport.abort()  # type: ignore[attr-defined]
            return ""
        return behaviour


class _Connection(SMTP):
    line_length_limit = 2**26

    def __init__(self, relay: FakeRelay, **options: object) -> None:
        super().__init__(relay, **options)  # type: ignore[arg-type]
        self._relay = relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._relay._transports.append(transport)
        super().connection_made(transport)
