"""The LMTP side (RFC 2033): one answer for each recipient."""

import asyncio
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import Envelope, Session

from email_api.errors import NotAccepted, NotIssued, UnknownAlias
from email_api.handoff import Handoffs, Mail

_TEMPORARY = "451 4.3.0"


class Server(LMTP):
    """Adds XFORWARD, by which Postfix tells its queue id
    (https://www.postfix.org/XFORWARD_README.html), and lines of any length."""

    queue_id: str | None = None
    """Of the message that comes next."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # Before the reader is made, which takes its limit from here.
        self.line_length_limit = options["data_size_limit"] + 1001
        super().__init__(*arguments, **options)
        self.command_size_limits["XFORWARD"] = self.command_size_limits["RCPT"] = 2048

    async def smtp_XFORWARD(self, argument: str | None) -> None:
        for pair in (argument or "").split():
            name, _, value = pair.partition("=")
            if name.upper() == "IDENT":
                self.queue_id = value if value.isalnum() and value.isascii() else None
        await self.push("250 2.0.0 Ok")


class Handler:
    """What aiosmtpd asks."""

    def __init__(self, handoffs: Handoffs, unknown_alias: str) -> None:
        self._handoffs = handoffs
        self._unknown = "550 5.1.1" if unknown_alias == "bounce" else "450 4.1.1"

    async def handle_EHLO(
        self, server: Server, session: Session, envelope: Envelope, name: str, answer: list[str]
    ) -> list[str]:
        session.host_name = name
        ours = ["250-PIPELINING", "250-ENHANCEDSTATUSCODES", "250-XFORWARD IDENT"]
        return [*answer[:-1], *ours, answer[-1]]

    async def handle_DATA(self, server: Server, session: Session, envelope: Envelope) -> str:
        # aiosmtpd's word for the null sender is `<>`.
        message, sender = envelope.original_content or b"", envelope.mail_from or ""
        sender = sender.removeprefix("<>")
        queue_id, server.queue_id = server.queue_id, None
        answers = [
            self._answer(Mail(message, "LMTP", recipient, sender, queue_id))
            for recipient in envelope.rcpt_tos
        ]
        return "\r\n".join(await asyncio.gather(*answers))

    async def _answer(self, mail: Mail) -> str:
        try:
            await self._handoffs.accept(mail)
        except UnknownAlias:
            return f"{self._unknown} unknown alias"
        except NotIssued:
            return "550 5.1.1 no such bounce address"
        except NotAccepted as refusal:
            return f"{_TEMPORARY} {refusal.reason}"
        return "250 2.0.0 accepted"

    async def handle_exception(self, error: Exception) -> str:
        """aiosmtpd would answer 500, and Postfix bounce the message."""
        return f"{_TEMPORARY} {type(error).__name__}"


async def serve(
    handoffs: Handoffs, unknown_alias: str, limit: int, name: str, where: tuple[str, int]
) -> asyncio.Server:
    """Listen for LMTP on an address and port."""
    handler = Handler(handoffs, unknown_alias)
    loop = asyncio.get_running_loop()

    def connection() -> Server:
        return Server(
            handler,
            data_size_limit=limit,
            enable_SMTPUTF8=True,
            hostname=name,
            ident="email-api",
            loop=loop,
        )

    return await loop.create_server(connection, *where)
