"""Probes of a web site from outside: certificate chain, time left, and what a page says."""

import http.client
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from mailfleet.checks import tls as chain
from mailfleet.checks.probe import Answer, ExternalProbe
from mailfleet.checks.result import Status

_SECONDS = 10
_MOST_BYTES = 65536


@dataclass(frozen=True)
class WebSite:
    """A name, and the host that is to answer to it, whatever DNS says."""

    name: str
    address: str
    ca_file: str | None = None
    """A further authority that is trusted, besides those of this machine."""
    port: int = 443

    def certificate(self) -> ExternalProbe:
        return ExternalProbe(
            f"chain of {self.name} from here",
            lambda: chain.chain(self._certificate),
            chain.REMEDY,
            limit=chain.LEFT,
        )

    def page(self, path: str, says: str, remedy: str, ask_from: str = "page") -> ExternalProbe:
        """The page at `path` is to answer 200, with `says` in it."""
        return ExternalProbe(
            f"{ask_from} {self.name} from here", lambda: self._page(path, says), remedy
        )

    def _connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection((self.address, self.port), timeout=_SECONDS)
        return chain.trusting(self.ca_file).wrap_socket(plain, server_hostname=self.name)

    def _certificate(self) -> dict[str, Any]:
        with self._connect() as connection:
            return connection.getpeercert() or {}

    def _page(self, path: str, says: str) -> Answer:
        with self._connect() as connection:
            client = http.client.HTTPSConnection(self.name, timeout=_SECONDS)
            client.sock = connection
            try:
                client.request("GET", path, headers={"User-Agent": "mailfleet"})
                answer = client.getresponse()
                body = answer.read(_MOST_BYTES).decode(errors="replace")
            except http.client.HTTPException as error:
                return Answer(Status.FAIL, f"no HTTP answer: {type(error).__name__}")
        if answer.status != 200:
            return Answer(Status.FAIL, f"HTTP {answer.status} at {path}")
        if says not in body:
            return Answer(Status.FAIL, f"HTTP 200 at {path}, but not {says!r} in it")
        return Answer(Status.OK, f"HTTP 200, {says!r}")
