"""LMTP server (RFC 2033), the alternative to HTTPS.

LMTP is SMTP for final delivery: the server answers the end of DATA once per recipient, so that
Postfix retries only the recipients that failed.
"""

import asyncio
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import Envelope, Session

from email_api.errors import InvalidBounceAddressError, NotAcceptedError, UnknownAliasError
from email_api.handoff import Forwarder, Mail
from email_api.settings import UnknownAlias

_TEMPORARY = "451 4.3.0"


class _Connection(LMTP):
    """Adds lines of any length, and XFORWARD (https://www.postfix.org/XFORWARD_README.html), with
    which Postfix sends its queue id."""

    queue_id: str | None = None
    """Queue id of the next message."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # The base class creates its reader with this limit.
        self.line_length_limit = options["data_size_limit"] + 1001
        super().__init__(*arguments, **options)
        self.command_size_limits["XFORWARD"] = self.command_size_limits["RCPT"] = 2048

    async def smtp_XFORWARD(self, argument: str | None) -> None:
        for pair in (argument or "").split():
            name, _, value = pair.partition("=")
            if name.upper() == "IDENT":
                self.queue_id = value if value.isalnum() and value.isascii() else None
        await self.push("250 2.0.0 Ok")


class _Handler:
    """Callbacks of aiosmtpd."""

    def __init__(self, forwarder: Forwarder, unknown_alias: UnknownAlias) -> None:
        self._forwarder = forwarder
        self._unknown = "550 5.1.1" if unknown_alias == "bounce" else "450 4.1.1"

    async def handle_EHLO(
        self,
        server: _Connection,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        extensions = ["250-PIPELINING", "250-ENHANCEDSTATUSCODES", "250-XFORWARD IDENT"]
        return [*responses[:-1], *extensions, responses[-1]]

    async def handle_DATA(self, server: _Connection, session: Session, envelope: Envelope) -> str:
        # aiosmtpd represents the null sender as `<>`.
        message, sender = envelope.original_content or b"", envelope.mail_from or ""
        sender = sender.removeprefix("<>")
        queue_id, server.queue_id = server.queue_id, None
        replies = [
            self._reply(Mail(message, "LMTP", recipient, sender, queue_id))
            for recipient in envelope.rcpt_tos
        ]
        return "\r\n".join(await asyncio.gather(*replies))

    async def _reply(self, mail: Mail) -> str:
        try:
            await self._forwarder.forward(mail)
        except UnknownAliasError:
            return f"{self._unknown} unknown alias"
        except InvalidBounceAddressError:
            return "550 5.1.1 no such bounce address"
        except NotAcceptedError as error:
            return f"{_TEMPORARY} {error.reason}"
        return "250 2.0.0 accepted"

    async def handle_exception(self, error: Exception) -> str:
        """By default aiosmtpd replies 500, and Postfix would bounce the message."""
        return f"{_TEMPORARY} {type(error).__name__}"


async def start_server(
    forwarder: Forwarder,
    unknown_alias: UnknownAlias,
    max_message_bytes: int,
    server_name: str,
    address: str,
    port: int,
) -> asyncio.Server:
    """Listen for LMTP on an address and port."""
    handler = _Handler(forwarder, unknown_alias)
    loop = asyncio.get_running_loop()

    def connection() -> _Connection:
        return _Connection(
            handler,
            data_size_limit=max_message_bytes,
            enable_SMTPUTF8=True,
            hostname=server_name,
            ident="email-api",
            loop=loop,
        )

    return await loop.create_server(connection, address, port)
