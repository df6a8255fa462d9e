"""The SMTP relay: connections that are kept and used again, one recipient a transaction."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import aiosmtplib

from email_api.errors import Unavailable
from email_api.settings import RelaySettings

CONNECTIONS = 32
_COMMAND_SECONDS = 30
_CONNECT_SECONDS = 10
_IDLE_SECONDS = 20
"""Below what servers allow between two commands (Postfix: smtpd_timeout, 10 s under stress)."""

_FAILURES = (aiosmtplib.SMTPException, OSError, TimeoutError)


class Relay:
    """Raises Unavailable unless the relay has answered the end of DATA with 250."""

    def __init__(self, settings: RelaySettings, server_name: str) -> None:
        self._settings = settings
        self._server_name = server_name
        self._context = _context(settings)
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._idle: list[tuple[aiosmtplib.SMTP, float]] = []

    async def close(self) -> None:
        while self._idle:
            await _quit(self._idle.pop()[0])

    async def ping(self) -> None:
        with _told():
            async with self._free, self._connection() as smtp:
                await smtp.noop()

    async def send(self, sender: str, recipient: str, message: bytes) -> None:
        """Line ends other than CRLF become CRLF: nothing else may go over SMTP (RFC 5321 section
        2.3.8), and servers that disagree on it can be made to see two messages in one."""
        with _told():
            async with self._free, self._connection() as smtp:
                try:
                    await self._mail(smtp, sender, message)
                except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPSenderRefused):
                    # A kept connection that the relay has closed meanwhile says so here, before
                    # anything of this message was sent; a new one says the truth.
                    smtp.close()
                    await smtp.connect()
                    await self._mail(smtp, sender, message)
                utf8 = "ascii" if recipient.isascii() else "utf-8"
                await smtp.rcpt(recipient, encoding=utf8)
                await smtp.data(message, timeout=self._settings.answer_seconds)

    async def _mail(self, smtp: aiosmtplib.SMTP, sender: str, message: bytes) -> None:
        options = []
        if smtp.supports_extension("size"):
            options.append(f"SIZE={len(message)}")
        if smtp.supports_extension("8bitmime") and not message.isascii():
            options.append("BODY=8BITMIME")
        if smtp.supports_extension("smtputf8") and _needs_utf8(sender, message):
            options.append("SMTPUTF8")
        encoding = "ascii" if sender.isascii() else "utf-8"
        await smtp.mail(sender, options=options, encoding=encoding)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection that goes back to the others when all went well, or was refused in order."""
        smtp = await self._idle_one() or await self._new()
        try:
            yield smtp
        except aiosmtplib.SMTPResponseException as refusal:
            try:
                if refusal.code == 421 or not smtp.is_connected:
                    raise refusal
                await smtp.rset()
            except _FAILURES:
                smtp.close()
            else:
                self._keep(smtp)
            raise
        except BaseException:
            smtp.close()
            raise
        else:
            self._keep(smtp)

    def _keep(self, smtp: aiosmtplib.SMTP) -> None:
        self._idle.append((smtp, time.monotonic()))

    async def _idle_one(self) -> aiosmtplib.SMTP | None:
        while self._idle:
            smtp, since = self._idle.pop()
            if smtp.is_connected and time.monotonic() - since < _IDLE_SECONDS:
                return smtp
            smtp.close()
        return None

    async def _new(self) -> aiosmtplib.SMTP:
        settings = self._settings
        smtp = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.user,
            password=settings.password,
            local_hostname=self._server_name,
            timeout=_COMMAND_SECONDS,
            use_tls=settings.encryption == "tls",
            # None: when the server offers it.
            start_tls={"starttls": True, "offered": None}.get(settings.encryption, False),
            tls_context=self._context,
        )
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await smtp.connect()
        except BaseException:
            smtp.close()
            raise
        return smtp


def _needs_utf8(sender: str, message: bytes) -> bool:
    """RFC 6531 section 3.4: a non-ASCII address or a header with UTF-8 in it."""
    if not sender.isascii():
        return True
    end = message.find(b"\r\n\r\n")
    short = message.find(b"\n\n")
    ends = [position for position in (end, short) if position >= 0]
    return not message[: min(ends)].isascii() if ends else not message.isascii()


def _context(settings: RelaySettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.encryption == "offered" and settings.ca_file is None:
        # Who would take plain text gains nothing by refusing an unknown certificate (RFC 7435).
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except aiosmtplib.SMTPResponseException as refusal:
        kind = "relay_refused" if 500 <= refusal.code < 600 else "relay"
        raise Unavailable(kind, f"{refusal.code} {refusal.message}"[:300]) from refusal
    except (*_FAILURES, ValueError) as error:
        raise Unavailable("relay", type(error).__name__) from error


async def _quit(smtp: aiosmtplib.SMTP) -> None:
    with suppress(*_FAILURES):
        await smtp.quit()
