"""Probes of an SMTP server from outside (RFC 5321, 3207, 4954), which never send a message."""

import smtplib
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from mailfleet.checks import tls as chain
from mailfleet.checks.probe import Answer, ExternalProbe, one_line
from mailfleet.checks.result import Status

_SECONDS = 10
_HELO = "probe.invalid"

# Nobody's: address literals (RFC 5321 section 4.1.3) in networks for documentation (RFC 5737). A
# server that takes mail from one to the other is an open relay. Names of RFC 2606 would hide it:
# they have a null MX (RFC 7505) or do not exist, and reject_unknown_sender_domain, which
# docker-mailserver sets, refuses them whoever may relay; literals pass it (smtpd_check.c).
_SENDER, _STRANGER = "probe@[192.0.2.1]", "probe@[198.51.100.1]"


@dataclass(frozen=True)
class SmtpServer:
    """Where a server is reached, and what it is described to offer."""

    address: str
    port: int
    tls: bool
    auth: bool
    plain_auth: bool = False
    """AUTH is offered without TLS too, as Postal always does."""
    tls_first: bool = False
    """TLS from the start (RFC 8314), not by STARTTLS."""

    def probes(self, logs: str) -> tuple[ExternalProbe, ExternalProbe]:
        """Whether it greets, and whether it refuses strangers. `logs` names the command that shows
        what the server says."""
        at = f"port {self.port} from here"
        return (
            ExternalProbe(
                f"SMTP on {at}",
                self._greets,
                f"read {logs}, and see that no firewall is in the way",
            ),
            ExternalProbe(
                f"relay on {at}",
                self._refuses_strangers,
                f"if it does not answer, read {logs}; if it takes mail, stop it at once, for it "
                "sends for everyone, unless this machine is one that may: by an SMTP-IP credential "
                "of Postal or mynetworks of Postfix",
            ),
        )

    def certificate(self, name: str, ca_file: str | None) -> ExternalProbe:
        """The chain that is served must hold and be for `name`."""
        return ExternalProbe(
            f"chain of {name} on port {self.port} from here",
            lambda: chain.chain(lambda: self._certificate(name, ca_file)),
            chain.REMEDY,
            limit=chain.LEFT,
        )

    def _certificate(self, name: str, ca_file: str | None) -> dict[str, Any]:
        context = chain.trusting(ca_file)
        if self.tls_first:
            plain = socket.create_connection((self.address, self.port), timeout=_SECONDS)
            with context.wrap_socket(plain, server_hostname=name) as connection:
                return connection.getpeercert() or {}
        try:
            with self._connect() as server:
                # By this smtplib knows whom it speaks to.
                server._host = name  # type: ignore[attr-defined]
                server.starttls(context=context)
                assert isinstance(server.sock, ssl.SSLSocket)
                return server.sock.getpeercert() or {}
        except smtplib.SMTPException as error:
            raise OSError(one_line(error)) from None

    def _connect(self) -> smtplib.SMTP:
        if self.tls_first:
            # Whose certificate it is, another probe tells.
            return smtplib.SMTP_SSL(
                self.address,
                self.port,
                local_hostname=_HELO,
                timeout=_SECONDS,
                context=_any_certificate(),
            )
        return smtplib.SMTP(self.address, self.port, local_hostname=_HELO, timeout=_SECONDS)

    @property
    def _by_starttls(self) -> bool:
        return self.tls and not self.tls_first

    def _greets(self) -> Answer:
        """Greeting, EHLO, STARTTLS, and AUTH before and after it."""
        try:
            with self._connect() as server:
                server.ehlo()
                before = server.esmtp_features
                missing = []
                offers = dict(before)
                if self._by_starttls and "starttls" not in before:
                    return Answer(Status.FAIL, "answers EHLO, but offers no STARTTLS")
                if self._by_starttls:
                    server.starttls(context=_any_certificate())
                    server.ehlo()
                    offers = dict(server.esmtp_features)
                if self.auth and "auth" not in offers:
                    missing.append("no AUTH")
                if self._by_starttls and "auth" in before and not self.plain_auth:
                    missing.append("AUTH is offered without TLS")
        except smtplib.SMTPException as error:
            return Answer(Status.FAIL, one_line(error))
        if missing:
            return Answer(Status.FAIL, "; ".join(missing))
        tls = "TLS" if self.tls_first else "STARTTLS"
        offered = [name for name, on in ((tls, self.tls), ("AUTH", self.auth)) if on]
        return Answer(Status.OK, ", ".join(["answers EHLO", *offered]))

    def _refuses_strangers(self) -> Answer:
        """Under TLS where it is offered: submission refuses everyone before."""
        try:
            with self._connect() as server:
                server.ehlo()
                if self._by_starttls and "starttls" in server.esmtp_features:
                    server.starttls(context=_any_certificate())
                    server.ehlo()
                code, text = server.mail(_SENDER)
                if code == 250:
                    code, text = server.rcpt(_STRANGER)
                server.rset()
        except smtplib.SMTPException as error:
            return Answer(Status.FAIL, one_line(error))
        said = f"{code} {text.decode(errors='replace')}".strip()
        if 200 <= code < 300:
            return Answer(Status.FAIL, f"takes mail from anyone to anyone: {said}")
        return Answer(Status.OK, f"refuses strangers: {said}")


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
