"""Probes of a web site from outside: certificate chain, time left, and what a page says."""

import http.client
import socket
import ssl
import time
from dataclasses import dataclass

from mailfleet.health.probe import Answer, Limit, Outside, Status

_SECONDS = 10
_DAY = 86400
_MOST_BYTES = 65536


@dataclass(frozen=True)
class WebSite:
    """A name, and the host that is to answer to it, whatever DNS says."""

    name: str
    address: str
    days: Limit
    """Left of the certificate's life."""
    ca_file: str | None = None
    """A further authority that is trusted, besides those of this machine."""
    port: int = 443

    def certificate(self) -> Outside:
        return Outside(
            f"chain of {self.name} from here",
            self._certificate,
            "the runbook on certificates tells how a renewal is found and made to work",
            limit=self.days,
        )

    def page(self, path: str, says: str, remedy: str, ask_from: str = "page") -> Outside:
        """The page at `path` is to answer 200, with `says` in it."""
        return Outside(f"{ask_from} {self.name} from here", lambda: self._page(path, says), remedy)

    def _connect(self) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        if self.ca_file:
            context.load_verify_locations(self.ca_file)
        plain = socket.create_connection((self.address, self.port), timeout=_SECONDS)
        return context.wrap_socket(plain, server_hostname=self.name)

    def _certificate(self) -> Answer:
        try:
            with self._connect() as connection:
                certificate = connection.getpeercert() or {}
        except ssl.SSLCertVerificationError as error:
            return Answer(Status.FAIL, f"the chain does not hold: {error.verify_message}")
        ends = str(certificate["notAfter"])
        left = (ssl.cert_time_to_seconds(ends) - time.time()) / _DAY
        return Answer(self.days.status(left), f"valid until {ends}", round(left, 1))

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
