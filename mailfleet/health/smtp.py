"""Probes of an SMTP server from outside (RFC 5321, 3207, 4954), which never send a message."""

import smtplib
import ssl
from dataclasses import dataclass

from mailfleet.health.probe import Answer, Outside, Status

_SECONDS = 10

# Nobody's: reserved by RFC 2606. A server that takes mail from one to the other is an open relay.
_SENDER, _STRANGER = "probe@example.org", "probe@example.net"


@dataclass(frozen=True)
class SmtpServer:
    """Where a server is reached, and what it is described to offer."""

    address: str
    port: int
    tls: bool
    auth: bool
    plain_auth: bool = False
    """AUTH is offered without TLS too, as Postal always does."""

    def probes(self, logs: str) -> tuple[Outside, Outside]:
        """Whether it greets, and whether it refuses strangers. `logs` names the command that shows
        what the server says."""
        at = f"port {self.port} from here"
        return (
            Outside(
                f"SMTP on {at}",
                self._greets,
                f"read {logs}, and see that no firewall is in the way",
            ),
            Outside(
                f"relay on {at}",
                self._refuses_strangers,
                "stop the server at once: it sends mail for everyone",
            ),
        )

    def _connect(self) -> smtplib.SMTP:
        return smtplib.SMTP(
            self.address, self.port, local_hostname="probe.invalid", timeout=_SECONDS
        )

    def _greets(self) -> Answer:
        """Greeting, EHLO, STARTTLS, and AUTH before and after it."""
        try:
            with self._connect() as server:
                server.ehlo()
                before = server.esmtp_features
                missing = []
                offers = dict(before)
                if self.tls and "starttls" not in before:
                    return Answer(Status.FAIL, "answers EHLO, but offers no STARTTLS")
                if self.tls:
                    # Whose certificate it is, another probe tells.
                    server.starttls(context=_any_certificate())
                    server.ehlo()
                    offers = dict(server.esmtp_features)
                if self.auth and "auth" not in offers:
                    missing.append("no AUTH")
                if self.tls and "auth" in before and not self.plain_auth:
                    missing.append("AUTH is offered without TLS")
        except smtplib.SMTPException as error:
            return Answer(Status.FAIL, _told(error))
        if missing:
            return Answer(Status.FAIL, "; ".join(missing))
        offered = [name for name, on in (("STARTTLS", self.tls), ("AUTH", self.auth)) if on]
        return Answer(Status.OK, ", ".join(["answers EHLO", *offered]))

    def _refuses_strangers(self) -> Answer:
        """Under TLS where it is offered: submission refuses everyone before."""
        try:
            with self._connect() as server:
                server.ehlo()
                if self.tls and "starttls" in server.esmtp_features:
                    server.starttls(context=_any_certificate())
                    server.ehlo()
                code, text = server.mail(_SENDER)
                if code == 250:
                    code, text = server.rcpt(_STRANGER)
                server.rset()
        except smtplib.SMTPException as error:
            return Answer(Status.FAIL, _told(error))
        said = f"{code} {text.decode(errors='replace')}".strip()
        if 200 <= code < 300:
            return Answer(Status.FAIL, f"takes mail from anyone to anyone: {said}")
        return Answer(Status.OK, f"refuses strangers: {said}")


def _told(error: smtplib.SMTPException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
