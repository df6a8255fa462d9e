"""The outside of Postal: pages through Caddy, with the names and the authority of the lab."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab.state import Lab

_SECONDS = 10


@dataclass(frozen=True)
class Page:
    """What a web server answered."""

    status: int
    headers: Mapping[str, str]
    text: str


class _Https(http.client.HTTPSConnection):
    """Dials an address under the name that the certificate must carry."""

    def __init__(self, name: str, address: str, context: ssl.SSLContext) -> None:
        super().__init__(name, context=context, timeout=_SECONDS)
        self._address, self._name, self._verify = address, name, context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, 443), timeout=_SECONDS)
        self.sock = self._verify.wrap_socket(plain, server_hostname=self._name)


def lab_context(lab: Lab) -> ssl.SSLContext:
    """Trusts what the lab's ACME server issued, and nothing else."""
    return ssl.create_default_context(cafile=str(lab.acme_root_file))


def https(
    lab: Lab,
    name: str,
    path: str = "/",
    method: str = "GET",
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
    host: str = "postal1",
) -> Page:
    """A request to a host whose certificate must be right for the name."""
    connection = _Https(name, lab.hosts[host].address, lab_context(lab))
    return _ask(connection, method, path, body, headers or {})


def plain_http(lab: Lab, name: str, path: str = "/", host: str = "postal1") -> Page:
    """A request to a host's port 80."""
    address = lab.hosts[host].address
    connection = http.client.HTTPConnection(address, 80, timeout=_SECONDS)
    return _ask(connection, "GET", path, None, {"Host": name})


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: str | None,
    headers: Mapping[str, str],
) -> Page:
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Page(answer.status, found, text)
    finally:
        connection.close()


@dataclass
class Watch:
    """What visitors met while something else went on."""

    visits: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def visitors(lab: Lab, name: str, host: str) -> Iterator[Watch]:
    """Somebody who loads the login page and greets the SMTP server over and over."""
    watch, leave = Watch(), threading.Event()

    def visit() -> None:
        while not leave.wait(0.1):
            watch.visits += 1
            try:
                page = https(lab, name, "/login", host=host)
                if page.status != 200:
                    watch.failures.append(f"HTTP {page.status}")
                greeting = smtp_greeting(lab, host)
                if not greeting.startswith("220 "):
                    watch.failures.append(f"SMTP {greeting!r}")
            except (OSError, http.client.HTTPException) as error:
                watch.failures.append(f"{time.strftime('%X')} {error!r}")

    thread = threading.Thread(target=visit)
    thread.start()
    try:
        yield watch
    finally:
        leave.set()
        thread.join()


def smtp_greeting(lab: Lab, host: str = "postal1") -> str:
    """First line of a host's SMTP server."""
    address = (lab.hosts[host].address, 25)
    with socket.create_connection(address, timeout=_SECONDS) as connection:
        line = connection.makefile("r", encoding="utf-8").readline()
        connection.sendall(b"QUIT\r\n")
    return line.strip()
