"""Client of the SMTP relay: a pool of connections, one recipient per transaction."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import aiosmtplib

from email_api.errors import UnavailableError
from email_api.settings import RelaySettings

MAX_CONNECTIONS = 32
_COMMAND_SECONDS = 30
_CONNECT_SECONDS = 10
_IDLE_SECONDS = 20
"""Servers close idle connections later than this (Postfix: smtpd_timeout, 300 s, but 10 s under
stress). A connection that was closed meanwhile costs one reconnect (see Relay.send)."""

_FAILURES = (aiosmtplib.SMTPException, OSError, TimeoutError)


class Relay:
    """Every method raises UnavailableError if the relay fails, refuses or does not respond."""

    def __init__(self, settings: RelaySettings, server_name: str) -> None:
        self._settings = settings
        self._server_name = server_name
        self._tls_context = _tls_context(settings)
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._idle: list[tuple[aiosmtplib.SMTP, float]] = []

    async def close(self) -> None:
        while self._idle:
            smtp, _ = self._idle.pop()
            with suppress(*_FAILURES):
                await smtp.quit()

    async def ping(self) -> None:
        with _unavailable_on_error():
            async with self._connection() as smtp:
                await smtp.noop()

    async def send(self, sender: str, recipient: str, message: bytes) -> None:
        """Returns when the relay has accepted the message (250 to the end of DATA).

        Bare CR and LF become CRLF: SMTP allows no other line ends (RFC 5321 section 2.3.8), and
        servers that disagree about them can be made to see two messages in one.
        """
        with _unavailable_on_error():
            async with self._connection() as smtp:
                try:
                    await self._mail_from(smtp, sender, message)
                except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPSenderRefused):
                    # An idle connection that the relay has closed meanwhile fails here, before
                    # anything of this message was sent. Only a new one shows a real refusal.
                    smtp.close()
                    await smtp.connect()
                    await self._mail_from(smtp, sender, message)
                await smtp.rcpt(recipient, encoding=_encoding(recipient))
                await smtp.data(message, timeout=self._settings.answer_seconds)

    async def _mail_from(self, smtp: aiosmtplib.SMTP, sender: str, message: bytes) -> None:
        options = []
        if smtp.supports_extension("size"):
            options.append(f"SIZE={len(message)}")
        if smtp.supports_extension("8bitmime") and not message.isascii():
            options.append("BODY=8BITMIME")
        if smtp.supports_extension("smtputf8") and _needs_smtputf8(sender, message):
            options.append("SMTPUTF8")
        await smtp.mail(sender, options=options, encoding=_encoding(sender))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection of the pool. It returns to the pool unless it failed; a refused command is
        no failure of the connection."""
        async with self._slots:
            smtp = self._take_idle() or await self._connect()
            try:
                yield smtp
            except aiosmtplib.SMTPResponseException as refusal:
                await self._recover(smtp, refusal)
                raise
            except BaseException:
                smtp.close()
                raise
            else:
                self._put_idle(smtp)

    async def _recover(
        self, smtp: aiosmtplib.SMTP, refusal: aiosmtplib.SMTPResponseException
    ) -> None:
        """After a refused command: RSET the connection, or close it after 421 (RFC 5321 section
        3.8)."""
        if refusal.code == 421 or not smtp.is_connected:
            smtp.close()
            return
        try:
            await smtp.rset()
        except _FAILURES:
            smtp.close()
        else:
            self._put_idle(smtp)

    def _put_idle(self, smtp: aiosmtplib.SMTP) -> None:
        self._idle.append((smtp, time.monotonic()))

    def _take_idle(self) -> aiosmtplib.SMTP | None:
        while self._idle:
            smtp, since = self._idle.pop()
            if smtp.is_connected and time.monotonic() - since < _IDLE_SECONDS:
                return smtp
            smtp.close()
        return None

    async def _connect(self) -> aiosmtplib.SMTP:
        settings = self._settings
        smtp = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.user,
            password=settings.password,
            local_hostname=self._server_name,
            timeout=_COMMAND_SECONDS,
            use_tls=settings.encryption == "tls",
            # None: STARTTLS if the relay offers it.
            start_tls={"starttls": True, "opportunistic": None}.get(settings.encryption, False),
            tls_context=self._tls_context,
        )
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await smtp.connect()
        except BaseException:
            smtp.close()
            raise
        return smtp


def _encoding(address: str) -> str:
    return "ascii" if address.isascii() else "utf-8"


def _needs_smtputf8(sender: str, message: bytes) -> bool:
    """RFC 6531 section 3.4: a non-ASCII address, or a header that is not ASCII."""
    if not sender.isascii():
        return True
    ends = [end for end in (message.find(b"\r\n\r\n"), message.find(b"\n\n")) if end >= 0]
    header = message[: min(ends)] if ends else message
    return not header.isascii()


def _tls_context(settings: RelaySettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.encryption == "opportunistic" and settings.ca_file is None:
        # A client that would fall back to plain text gains nothing by refusing an unknown
        # certificate (RFC 7435).
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def _unavailable_on_error() -> Iterator[None]:
    try:
        yield
    except aiosmtplib.SMTPResponseException as refusal:
        reason = "relay_refused" if 500 <= refusal.code < 600 else "relay"
        raise UnavailableError(reason, f"{refusal.code} {refusal.message}"[:300]) from refusal
    except (*_FAILURES, ValueError) as error:
        raise UnavailableError("relay", type(error).__name__) from error
