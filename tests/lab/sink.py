"""An e-mail API that keeps what it is given: HTTPS as the mailserver posts it, and LMTP."""

import socketserver
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

NAME = "email-api"


@dataclass(frozen=True)
class Handoff:
    """One message as it came."""

    recipient: str
    sender: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Sink:
    """What arrived, and what is answered next."""

    psk: str
    status: int = 202
    accepted: list[Handoff] = field(default_factory=list)
    refused: int = 0

    def take(self, handoff: Handoff, psk: str | None) -> int:
        """The HTTP status for a handoff; LMTP has no key and turns it into its own reply."""
        status = 401 if psk not in (None, self.psk) else self.status
        if status == 202:
            self.accepted.append(handoff)
        else:
            self.refused += 1
        return status

    def of(self, mark: bytes) -> list[Handoff]:
        """Accepted messages that hold a mark."""
        return [handoff for handoff in self.accepted if mark in handoff.body]


def _certificate(authority: str, directory: Path) -> tuple[Path, Path]:
    issuer = x509.load_pem_x509_certificate(authority.encode())
    issuer_key = load_pem_private_key(
        authority[authority.index("-----BEGIN PRIVATE KEY") :].encode(), None
    )
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(issuer_key, SHA256())
    )
    files = directory / "cert.pem", directory / "key.pem"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def _http_handler(sink: Sink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if self.path == "/v1/email/check":
                status = 204 if bearer == sink.psk else 401
            else:
                headers = dict(self.headers.items())
                handoff = Handoff(
                    headers.get("X-Envelope-Recipient", ""),
                    headers.get("X-Envelope-Sender", ""),
                    headers,
                    body,
                )
                status = sink.take(handoff, bearer)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the screen of a test run."""

    return Handler


def _lmtp_handler(sink: Sink) -> type[socketserver.StreamRequestHandler]:
    """RFC 2033, as far as Postfix goes."""

    class Handler(socketserver.StreamRequestHandler):
        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

        def handle(self) -> None:
            self.say(f"220 {NAME} LMTP")
            sender, recipients = "", list[str]()
            while line := self.rfile.readline():
                verb = line.split(b" ")[0].strip().upper()
                if verb == b"LHLO":
                    self.say(f"250-{NAME}")
                    self.say("250-8BITMIME")
                    self.say("250 XFORWARD IDENT")
                elif verb == b"MAIL":
                    sender, recipients = _path(line), []
                    self.say("250 2.1.0 ok")
                elif verb == b"RCPT":
                    recipients.append(_path(line))
                    self.say("250 2.1.5 ok")
                elif verb == b"DATA":
                    self.say("354 go ahead")
                    body = self.read_body()
                    for recipient in recipients:
                        status = sink.take(Handoff(recipient, sender, {}, body), None)
                        self.say("250 2.0.0 ok" if status == 202 else "450 4.3.0 not now")
                elif verb == b"QUIT":
                    self.say("221 2.0.0 bye")
                    return
                else:
                    self.say("250 2.0.0 ok")

        def read_body(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line[1:] if line.startswith(b".") else line)
            return b"".join(lines)

    return Handler


def _path(line: bytes) -> str:
    return line.decode().partition("<")[2].partition(">")[0]


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class _Lmtp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def running(address: str, authority: str, psk: str) -> Iterator[Sink]:
    """A sink on ports 443 and 2400 of an address."""
    sink = Sink(psk)
    with tempfile.TemporaryDirectory() as directory:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*_certificate(authority, Path(directory)))
    with _Http((address, 443), _http_handler(sink)) as http:
        http.socket = context.wrap_socket(
            http.socket, server_side=True, do_handshake_on_connect=False
        )
        with _Lmtp((address, 2400), _lmtp_handler(sink)) as lmtp:
            for server in (http, lmtp):
                threading.Thread(target=server.serve_forever, daemon=True).start()
            yield sink
            for server in (http, lmtp):
                server.shutdown()
