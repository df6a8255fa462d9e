"""Probe hosts that records name: fetch a file over HTTPS, get the certificate of an SMTP server."""

import asyncio
import base64
import http.client
import io
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from mailfleet.dns.resolve.answer import Answer, Question, Status

PROBES = ("HTTPS", "STARTTLS")
_SECONDS = 10.0
"""For one address (RFC 8461 section 3.3 suggests a minute for those who have mail to send)."""
_MAX_BYTES = 65536
"""RFC 8461 section 3.3 suggests this bound."""


class _RejectedError(Exception):
    """An answer, but not one that the protocol allows."""


@dataclass(frozen=True)
class Probes:
    """Where and how to look."""

    https_port: int = 443
    smtp_port: int = 25
    trust: ssl.SSLContext | None = None
    """The CAs believed. None: those of this machine, or of SSL_CERT_FILE."""

    def host(self, question: Question) -> str:
        """The name whose addresses are looked at."""
        if question.type == "HTTPS":
            return urlsplit(question.name).hostname or ""
        return question.name

    async def look(self, question: Question, addresses: Sequence[str], left: float) -> Answer:
        """The answer of the first address that has one, else the last failure. Takes `left`
        seconds at most."""
        ends = asyncio.get_running_loop().time() + left
        failure = Answer(question, Status.TIMEOUT)
        for address in addresses:
            seconds = min(_SECONDS, ends - asyncio.get_running_loop().time())
            if seconds <= 0:
                break
            answer = await self._look(question, address, seconds)
            if answer.status not in (Status.TIMEOUT, Status.UNREACHABLE):
                return answer
            failure = answer
        return failure

    async def _look(self, question: Question, address: str, seconds: float) -> Answer:
        look = self._fetch if question.type == "HTTPS" else self._certificate
        try:
            async with asyncio.timeout(seconds):
                return Answer(question, Status.OK, await look(question.name, address))
        except TimeoutError:
            return Answer(question, Status.TIMEOUT)
        except ssl.SSLCertVerificationError as error:
            return Answer(question, Status.UNTRUSTED, (error.verify_message,))
        except (_RejectedError, ssl.SSLError, http.client.HTTPException) as error:
            return Answer(question, Status.REJECTED, (str(error) or type(error).__name__,))
        except (OSError, EOFError):
            return Answer(question, Status.UNREACHABLE)

    async def _fetch(self, url: str, address: str) -> tuple[str, ...]:
        """Content type and body. Redirects are not followed (RFC 8461 section 3.3)."""
        parts = urlsplit(url)
        trust = self.trust or ssl.create_default_context()
        reader, writer = await asyncio.open_connection(
            address, parts.port or self.https_port, ssl=trust, server_hostname=parts.hostname
        )
        try:
            request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.hostname}\r\n"
            writer.write(f"{request}User-Agent: mailfleet\r\nConnection: close\r\n\r\n".encode())
            data = b""
            while chunk := await reader.read(_MAX_BYTES):
                data += chunk
                if len(data) > 2 * _MAX_BYTES:
                    raise _RejectedError(f"longer than {_MAX_BYTES} bytes")
        finally:
            writer.close()
        return _content(data)

    async def _certificate(self, host: str, address: str) -> tuple[str, ...]:
        """The certificate that an SMTP server shows after STARTTLS (RFC 3207), whoever signed
        it."""
        reader, writer = await asyncio.open_connection(address, self.smtp_port)
        try:
            await _reply(reader, b"220")
            writer.write(b"EHLO mailfleet.invalid\r\n")
            if b"STARTTLS" not in await _reply(reader, b"250"):
                raise _RejectedError("the server does not offer STARTTLS")
            writer.write(b"STARTTLS\r\n")
            await _reply(reader, b"220")
            await writer.start_tls(_any_certificate(), server_hostname=host)
            shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        finally:
            writer.close()
        return (base64.b64encode(shown).decode(),)


class _Received:
    """Bytes where http.client expects a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _content(data: bytes) -> tuple[str, str]:
    response = http.client.HTTPResponse(_Received(data))  # type: ignore[arg-type]
    response.begin()
    if response.status != 200:
        raise _RejectedError(f"HTTP {response.status} {response.reason}")
    body = response.read()
    if len(body) > _MAX_BYTES:
        raise _RejectedError(f"longer than {_MAX_BYTES} bytes")
    return response.headers.get("content-type", ""), body.decode("latin-1")


def _any_certificate() -> ssl.SSLContext:
    """DANE compares the certificate itself (RFC 7672 section 3.1.1)."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _reply(reader: asyncio.StreamReader, code: bytes) -> bytes:
    """One reply of an SMTP server, all its lines (RFC 5321 section 4.2.1)."""
    lines = b""
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise _RejectedError("no SMTP reply") from None
        lines += line.upper()
        if len(lines) > _MAX_BYTES:
            raise _RejectedError("an SMTP reply without end")
        if line[3:4] != b"-":
            break
    if not line.startswith(code):
        raise _RejectedError(f"SMTP: {line.decode('latin-1').strip()[:80]}")
    return lines
