"""Versions are asked of registries as `docker pull` would ask: pages, and tokens for nobody."""

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.credentials import ensure_authority, ensure_certificate
from mailfleet.report.newer import Image, tags_of


class _Registry(BaseHTTPRequestHandler):
    """Two pages of tags for whoever holds the token, which everyone gets."""

    server: "_Server"

    def do_GET(self) -> None:
        host = f"127.0.0.1:{self.server.server_port}"
        if self.path.startswith("/token?"):
            assert "service=registry.test" in self.path
            assert "scope=repository%3Apostal%3Apull" in self.path
            self._send(200, {"token": "t"})
        elif self.headers.get("Authorization") != "Bearer t":
            realm = f"{self.server.scheme}://{host}/token"
            challenge = (
                f'Bearer realm="{realm}",service="registry.test",scope="repository:postal:pull"'
            )
            self._send(401, {}, {"WWW-Authenticate": challenge})
        elif "last=" in self.path:
            self._send(200, {"name": "postal", "tags": ["3.3.8"]})
        else:
            link = '</v2/postal/tags/list?n=1000&last=3.3.7>; rel="next"'
            self._send(200, {"name": "postal", "tags": ["3.3.7"]}, {"Link": link})

    def _send(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing on the screen of a test run."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    scheme = "https"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[_Server]:
    (tmp_path / "tls").mkdir()
    ensure_authority(tmp_path)
    certificate, key = ensure_certificate(tmp_path, "registry", ("127.0.0.1",))
    (tmp_path / "pair.pem").write_bytes(key + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair.pem")
    with _Server(("127.0.0.1", 0), _Registry) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_all_pages_are_read_with_a_token(registry: _Server, tmp_path: Path) -> None:
    image = Image(f"127.0.0.1:{registry.server_port}", "postal", "3.3.7")
    assert tags_of(image, str(tmp_path / "ca.pem")) == ["3.3.7", "3.3.8"]


def test_no_token_is_fetched_in_the_clear(registry: _Server, tmp_path: Path) -> None:
    registry.scheme = "http"
    image = Image(f"127.0.0.1:{registry.server_port}", "postal", "3.3.7")
    with pytest.raises(ValueError, match="not asking http://"):
        tags_of(image, str(tmp_path / "ca.pem"))
