"""The end-to-end probe: a marked message through each way into the fleet, awaited in a mailbox."""

import http.client
import imaplib
import json
import smtplib
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import gevent

from mailfleet.checks.probe import Limit, one_line
from mailfleet.checks.result import CheckResult, Level, Status
from mailfleet.components.health.settings import HealthSettings
from mailfleet.components.postal.settings import PostalSettings, postal_hosts
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.settings import HostSettings
from mailfleet.health.mailbox import MARK, Found, Mailbox
from mailfleet.health.received import METHODS, authentication, way
from mailfleet.secrets import Secret

_SECONDS = 20
_PAUSE_SECONDS = 2
_SLOW_SECONDS = 60


class SendError(Exception):
    """A way that did not take the probe; the message is what it answered."""


@dataclass(frozen=True)
class Probe:
    """One message on one way."""

    host: str
    component: str
    name: str
    send: Callable[[EmailMessage], None]
    """Raises OSError, SMTPException and SendError."""
    recipient: str
    logs: str
    """Command that shows what became of it."""
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def message(self, sender: str) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"] = sender, self.recipient
        message["Subject"] = f"mailfleet probe {self.mark}"
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
        message[MARK] = self.mark
        message.set_content("mailfleet sent this to see whether mail flows, and removes it.\n")
        return message


def probes(fleet: Fleet) -> list[Probe]:
    """One for each way that has a credential. Raises SecretsError."""
    found: list[Probe] = []
    for host in fleet.with_role("postal_smtp")[:1]:
        settings = host[HealthSettings]
        if settings.mailbox and settings.smtp_key and host[HostSettings].public_ipv4:
            submit = _smtp(host, fleet.value(settings.smtp_key))
            found.append(
                Probe(host.name, "postal", "SMTP", submit, settings.mailbox, "`postal logs worker`")
            )
            for ingress in fleet.with_role("mailserver")[:1]:
                if alias := settings.mail_alias:
                    logs = "`docker logs mailserver`, `docker logs email-api`"
                    found.append(Probe(ingress.name, "mailserver", "alias", submit, alias, logs))
    for host in fleet.with_role("postal_web")[:1]:
        settings = host[HealthSettings]
        if settings.mailbox and settings.api_key and host[HostSettings].public_ipv4:
            call = _api(host, fleet.value(settings.api_key))
            found.append(
                Probe(host.name, "postal", "API", call, settings.mailbox, "`postal logs web`")
            )
    return found


def _context(host: Host) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if host[HealthSettings].ca_file:
        context.load_verify_locations(host[HealthSettings].ca_file)
    return context


class _Session(smtplib.SMTP):
    """A session with an address, whose certificate is to be for a name."""

    def __init__(self, name: str, address: str, port: int) -> None:
        super().__init__(local_hostname="probe.invalid", timeout=_SECONDS)
        self._host = name
        self.connect(address, port)


def _smtp(host: Host, key: Secret) -> Callable[[EmailMessage], None]:
    """As applications hand over: the last of the ports, STARTTLS where it is offered, AUTH."""

    def send(message: EmailMessage) -> None:
        postal = host[PostalSettings]
        address, port = str(host[HostSettings].public_ipv4), postal.smtp_ports[-1]
        with _Session(postal.smtp_name, address, port) as session:
            session.ehlo()
            if postal.smtp_tls != "off":
                session.starttls(context=_context(host))
                session.ehlo()
            # Postal knows a credential by its key alone, but wants a server's name for CRAM-MD5,
            # which `login` would try first: Postal would log each probe as a failed login.
            session.user, session.password = "mailfleet", key.reveal()
            session.auth("PLAIN", session.auth_plain)
            session.send_message(message)

    return send


def _api(host: Host, key: Secret) -> Callable[[EmailMessage], None]:
    """POST /api/v1/send/message; errors come with HTTP 200 too."""

    def send(message: EmailMessage) -> None:
        name = host[PostalSettings].web_hostname
        plain = socket.create_connection(
            (str(host[HostSettings].public_ipv4), 443), timeout=_SECONDS
        )
        client = http.client.HTTPSConnection(name, timeout=_SECONDS)
        client.sock = _context(host).wrap_socket(plain, server_hostname=name)
        body = {
            "to": [message["To"]],
            "from": message["From"],
            "subject": message["Subject"],
            "plain_body": message.get_content(),
            "headers": {MARK: message[MARK]},
        }
        headers = {"X-Server-API-Key": key.reveal(), "Content-Type": "application/json"}
        try:
            client.request("POST", "/api/v1/send/message", json.dumps(body), headers)
            answer = client.getresponse()
            told = answer.read(65536)
        except http.client.HTTPException as error:
            raise SendError(f"no answer of the API: {type(error).__name__}") from None
        finally:
            client.close()
        if refusal := _refusal(answer.status, told):
            raise SendError(f"HTTP {answer.status}: {refusal}")

    return send


def _refusal(status: int, body: bytes) -> str:
    """Why the API did not take a message; empty when it did. Of an error only code and message are
    told: Postal gives a wrong key back in it."""
    try:
        told = json.loads(body)
        data = told["data"]
        if status == 200 and told["status"] == "success":
            return ""
        words = [str(data[name]) for name in ("code", "message") if data.get(name)]
    except (ValueError, LookupError, TypeError, AttributeError):
        return "no answer of Postal's API"
    return " ".join(words) or "refused without a reason"


def mailbox(fleet: Fleet) -> Mailbox | None:
    """Where probes arrive; None where the settings name none. Raises SecretsError."""
    for host in postal_hosts(fleet)[:1]:
        settings = host[HealthSettings]
        if settings.mailbox and settings.imap_host and settings.imap_password:
            return Mailbox(
                settings.imap_host,
                settings.imap_port,
                settings.imap_user or settings.mailbox,
                fleet.value(settings.imap_password),
                settings.ca_file,
            )
    return None


def ask_mail(fleet: Fleet) -> list[CheckResult]:
    """Send, wait, and tell of each way whether and how the message came through. Raises
    SecretsError."""
    where, ways = mailbox(fleet), probes(fleet)
    if where is None or not ways:
        return [
            CheckResult(
                next(iter(fleet.hosts)),
                "postal",
                "mail",
                Status.UNKNOWN,
                "the settings name no mailbox, or no credential to send with",
                "set health_mailbox, health_imap_host, health_imap_password, health_mail_from and "
                "health_smtp_key or health_api_key",
                level=Level.MAIL,
            )
        ]
    settings = postal_hosts(fleet)[0][HealthSettings]
    sent = time.time()
    jobs = {one.mark: gevent.spawn(_send, one, str(settings.mail_from)) for one in ways}
    gevent.joinall(list(jobs.values()))
    errors = {mark: job.value for mark, job in jobs.items() if job.value}
    waiting = [one.mark for one in ways if one.mark not in errors]
    found: dict[str, _Arrived] = {}
    unread = ""
    try:
        found = _await(where, waiting, sent + settings.mail_seconds)
    except UnicodeError as error:
        unread = _unfit(error)
    except (OSError, imaplib.IMAP4.error) as error:
        unread = str(error)
    results: list[CheckResult] = []
    for one in ways:
        refusal = errors.get(one.mark, "")
        if unread and not refusal:
            results.append(_unread(one, where, unread))
        else:
            results += _results(one, sent, refusal, found.get(one.mark), settings.mail_seconds)
    return results


def _send(probe: Probe, sender: str) -> str:
    """Hand over; why it failed, if it did."""
    try:
        probe.send(probe.message(sender))
    except (OSError, smtplib.SMTPException, SendError) as error:
        return one_line(error)
    except ValueError as error:
        return _unfit(error)
    return ""


def _unfit(error: ValueError) -> str:
    """Of a credential that fits into no header or login; the error's own words would tell it."""
    return f"the credential cannot be sent: {type(error).__name__}"


@dataclass(frozen=True)
class _Arrived:
    found: Found
    at: float


def _await(where: Mailbox, marks: Sequence[str], until: float) -> dict[str, _Arrived]:
    """Look until all are there or the time is over."""
    arrived: dict[str, _Arrived] = {}
    with where.session() as session:
        while True:
            missing = [mark for mark in marks if mark not in arrived]
            for mark, one in where.take(session, missing).items() if missing else ():
                arrived[mark] = _Arrived(one, time.time())
            if len(arrived) == len(marks) or time.time() >= until:
                return arrived
            time.sleep(_PAUSE_SECONDS)


def _unread(probe: Probe, where: Mailbox, error: str) -> CheckResult:
    return CheckResult(
        probe.host,
        probe.component,
        f"mail by {probe.name}",
        Status.UNKNOWN,
        f"the mailbox on {where.host} cannot be read: {' '.join(error.split())}",
        "see health_imap_host, health_imap_user and health_imap_password",
        level=Level.MAIL,
    )


def _results(
    probe: Probe, sent: float, error: str, arrived: _Arrived | None, seconds: int
) -> list[CheckResult]:
    """Whether it came through in time, and what the receiver made of it."""
    limit = Limit(min(_SLOW_SECONDS, seconds), seconds, " s")
    remedy = f"`mailfleet diagnose INVENTORY --to {probe.recipient}`, {probe.logs}"

    def result(name: str, status: Status, finding: str, remedy: str, took: float) -> CheckResult:
        told = "" if status is Status.OK else remedy
        value, shown = (round(took, 1), str(limit)) if took else (None, "")
        return CheckResult(
            probe.host, probe.component, name, status, finding, told, value, shown, Level.MAIL
        )

    name = f"mail by {probe.name}"
    if error:
        return [result(name, Status.FAIL, f"not taken: {error}", remedy, 0)]
    if arrived is None:
        told = f"taken, but not in the mailbox after {seconds} s"
        return [result(name, Status.FAIL, told, remedy, 0)]
    took = arrived.at - sent
    message, folder = arrived.found.message, arrived.found.folder
    status = limit.status(took)
    told = f"arrived after {took:.0f} s: {way(message, sent)}"
    if folder != "INBOX":
        status, told = max(status, Status.WARN, key=_BADNESS.index), f"{told}; in {folder}"
    return [
        result(name, status, told, remedy, took),
        result(f"authentication of {name}", *_authenticated(message), 0),
    ]


_BADNESS = (Status.OK, Status.WARN, Status.FAIL)


def _authenticated(message: EmailMessage) -> tuple[Status, str, str]:
    """Status, finding and remedy."""
    found = authentication(message)
    if not found:
        return (
            Status.WARN,
            "the receiver tells nothing of SPF, DKIM and DMARC",
            "use a mailbox whose server writes Authentication-Results",
        )
    told = ", ".join(f"{method}={found.get(method, 'none')}" for method in METHODS)
    well = all(found.get(method) == "pass" for method in METHODS)
    return Status.OK if well else Status.WARN, told, "`mailfleet dns check INVENTORY`"
