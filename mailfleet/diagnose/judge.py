"""From evidence to an answer, in the order in which an operator would ask; the first that explains
it ends the walk."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from mailfleet.diagnose.application import Failure, last_failure
from mailfleet.diagnose.evidence import Evidence, Line, Message
from mailfleet.diagnose.replies import Meaning, meaning_of
from mailfleet.health.postal_queue import STALE_LOCK_MINUTES

_DUE_SECONDS = 120
"""Workers look for due messages every few seconds."""


@dataclass(frozen=True)
class Step:
    """One question of the walk, and what came out."""

    question: str
    answer: str


@dataclass(frozen=True)
class Cause:
    """Why the message is not where it should be."""

    cause: str
    evidence: tuple[str, ...]
    remedy: str
    dns: str = ""
    """The family of DNS checks that tells more."""
    found: bool = True
    """False where nothing explains it: then the remedy is where to look next."""


@dataclass(frozen=True)
class Diagnosis:
    """The walk and where it ended."""

    to: str
    steps: tuple[Step, ...]
    cause: Cause
    unanswered: tuple[str, ...] = ()
    """Hosts that could not be asked, and why: they may know more."""


def diagnose(evidence: Evidence) -> Diagnosis:
    """Pure."""
    message = evidence.latest
    if message is None:
        seen_by = "no host that answers" if evidence.unanswered else "neither Postal nor mailserver"
        tried = Step("Was it sent?", f"{seen_by} has seen it")
        cause = next(it for it in (ask(evidence) for ask in _NOT_SEEN) if it)
        return Diagnosis(evidence.to, (tried,), cause, evidence.unanswered)
    steps = [
        # An older message to the same recipient is another story.
        Step("Was it sent?", f"yes: {_named(message)}{_when(message.at)}"),
        Step("Was it delivered?", _state(message)),
    ]
    cause = _of_message(evidence, message)
    return Diagnosis(evidence.to, tuple(steps), cause, evidence.unanswered)


def _named(message: Message) -> str:
    name = f"{message.program} on {message.host}"
    return f"{name}, message {message.id}" if message.id else name


def _when(at: float) -> str:
    return f", {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC" if at else ""


def _state(message: Message) -> str:
    count = len(message.attempts)
    tried = f"{count} attempt{'s' if count != 1 else ''}"
    return f"{message.status}, {tried}{', in the queue' if message.queued else ''}"


def _redirected(evidence: Evidence) -> Cause | None:
    if not evidence.redirects:
        return None
    return Cause(
        "an application sends all its mail to another address",
        tuple(f"{one.host}: {one.source}: {one.text}" for one in evidence.redirects),
        "unset it in production and start the application again",
    )


_MAIL = re.compile(r"smtp|mail|:(25|465|587|2525)\b", re.IGNORECASE)


def _is_of_mail(line: Line, to: str) -> bool:
    """A log that was given is the right one. In those of all other containers connections to
    databases and the like fail, too."""
    return not line.host or bool(_MAIL.search(line.text)) or to.lower() in line.text.lower()


def _failed_application(evidence: Evidence) -> Cause | None:
    found = last_failure(it.text for it in evidence.application if _is_of_mail(it, evidence.to))
    if not found:
        return None
    failure, line = found
    told = [f"the application's log: {line}", *_ways(evidence)]
    if failure is Failure.CREDENTIAL:
        return _credential([*told, *_logins(evidence)])
    if failure is Failure.CERTIFICATE:
        return Cause(
            "the application does not trust the certificate of Postal's SMTP server",
            tuple(told),
            "connect by the name postal_smtp_hostname; the runbook on certificates tells the rest",
        )
    if failure is Failure.ANSWER and (meaning := meaning_of(line)):
        return _from_meaning(meaning, told)
    if cause := _closed_way(evidence, told):
        return cause
    if failure is Failure.REFUSED:
        return Cause(
            "the application connects to a host or port where nobody listens",
            tuple(told),
            f"use one of the ports that answer: {_open_ports(evidence)}",
        )
    if failure is Failure.TIMEOUT:
        return Cause(
            "a firewall between the application and Postal drops the connection, or its time "
            "limit is too short",
            tuple(told),
            "try `nc -vz` to the name and port from the application's host, and open the port in "
            "the firewalls in between",
        )
    return Cause(
        "the SMTP server closed the connection: it was starting or restarting",
        tuple(told),
        "send again; `mailfleet health` and `postal logs smtp` tell whether it stays up",
    )


def _closed_way(evidence: Evidence, told: Iterable[str] = ()) -> Cause | None:
    closed = [way for way in evidence.ways if way.error]
    shown = tuple(told) or tuple(_ways(evidence))
    if any(way.error == "refused" or not way.listening for way in closed):
        error = "connection refused" if any(it.error == "refused" for it in closed) else "timeout"
        return Cause(
            f"{error}: Postal's SMTP server does not run or does not publish its port",
            shown,
            "`mailfleet health` names what is down; deploy postal again, read `postal logs smtp`",
        )
    if any(way.error == "timeout" for way in closed):
        return Cause(
            "timeout: a firewall in front of Postal's SMTP server drops connections, or the host "
            "is down",
            shown,
            "`mailfleet drift` shows the host's own firewall; then look at the provider's",
        )
    if closed:
        return Cause(
            "Postal's SMTP server does not greet",
            shown,
            "read `postal logs smtp`",
        )
    return None


def _refused_login(evidence: Evidence) -> Cause | None:
    """Strangers try passwords too: whose login it was, the address tells."""
    if not evidence.refused_logins:
        return None
    return Cause(
        "535: Postal refused a login lately, and nothing else explains it",
        tuple(_logins(evidence)),
        "if the address is the application's, its credential is wrong: look it up in Postal's web "
        "interface; in a URL `@` in the user name is written %40",
    )


def _no_trace(evidence: Evidence) -> Cause:
    told = [f"the application's log: {one.text}" for one in evidence.application[-3:]]
    return Cause(
        "there is no trace of it: the application did not try, or sends through another server",
        (*told, *_ways(evidence)),
        "see whether the job ran (its queue, its worker), and which SMTP server its settings name; "
        "give its log with --log",
        found=False,
    )


_NOT_SEEN: tuple[Callable[[Evidence], Cause | None], ...] = (
    _redirected,
    _failed_application,
    _closed_way,
    _refused_login,
    _no_trace,
)


def _credential(told: Iterable[str]) -> Cause:
    return Cause(
        "535: Postal does not know the credential that the application logs in with",
        tuple(told),
        "look it up in Postal's web interface; in a URL `@` in the user name is written %40",
    )


def _logins(evidence: Evidence) -> list[str]:
    return [f"{one.host}: {one.source}: {one.text}" for one in evidence.refused_logins]


def _ways(evidence: Evidence) -> list[str]:
    return [
        f"{way.host}: {way.address} port {way.port} from here: {way.error or 'answers'}"
        + ("" if way.listening else "; nobody listens there")
        for way in evidence.ways
    ]


def _open_ports(evidence: Evidence) -> str:
    found = [f"{way.address}:{way.port}" for way in evidence.ways if not way.error]
    return ", ".join(found) or "none answers from here"


# What Postal writes where it holds a message (3.3, app/lib/message_dequeuer), and what to do.
_HOLDS = (
    (
        "suppression list",
        "Postal does not send to this recipient: an earlier message was refused for good",
        "see why it was refused; then remove the address from the suppression list in Postal's "
        "web interface and release the message",
    ),
    (
        "development mode",
        "the mail server is in development mode: everything is held",
        "set it to Live in Postal's web interface, then release the message",
    ),
    (
        "credential",
        "the credential is set to hold everything that is sent with it",
        "clear it at the credential in Postal's web interface, then release the message",
    ),
    (
        "send limit",
        "the send limit of the mail server is reached",
        "raise it in Postal's web interface, or wait an hour; then release the message",
    ),
    (
        "suspended",
        "the mail server is suspended",
        "unsuspend it in Postal's web interface",
    ),
)


_GAVE_UP = "Maximum number of delivery attempts"
"""What Postal writes last, without the answer that it got each time."""


def _of_message(evidence: Evidence, message: Message) -> Cause:
    tried = [one for one in message.attempts if not one.reply.startswith(_GAVE_UP)]
    last = tried[-1] if tried else None
    reply = last.reply if last else ""
    told = [f"{_named(message)}: {reply}" if reply else f"{_named(message)}: {_state(message)}"]
    match message.status:
        case "Held":
            return _held(reply, [*told, *(f"suppressed: {one}" for one in evidence.suppressed)])
        case "Sent" | "Processed":
            relay = next((it for it in evidence.relays if it in reply.lower()), "")
            return _relayed(relay, told) if relay else _filtered(told)
        case "Bounced":
            return Cause(
                "the receiver took it and sent a bounce later",
                tuple(told),
                "the bounce is linked to the message in Postal's web interface: it says why",
            )
    stuck = STALE_LOCK_MINUTES * 60
    if message.locked_seconds > stuck:
        minutes = message.locked_seconds // 60
        return Cause(
            "a worker died while it had the message in hand: the lock is stale",
            (*told, f"locked for {minutes} min"),
            "the runbook on an unhealthy Postal tells how to release stale locks",
        )
    if last and last.status in ("SoftFail", "HardFail", "Error") and (meaning := meaning_of(reply)):
        return _from_meaning(meaning, told)
    if message.queued and not message.locked_seconds and message.due_seconds > _DUE_SECONDS:
        return Cause(
            "it waits in Postal's queue and no worker takes it",
            (*told, f"due for {message.due_seconds} s"),
            "`postal logs worker`, `postal restart worker`",
        )
    if message.queued or (message.program == "Postal" and not last):
        return Cause(
            "it is on its way: Postal has it in the queue",
            tuple(told),
            "wait a minute and ask again",
            found=False,
        )
    return Cause(
        f"{message.program} could not deliver it, for a reason that is not known here",
        tuple(told),
        "read the answer above, and `postal logs worker` or the mailserver's log",
        found=False,
    )


def _from_meaning(meaning: Meaning, told: Iterable[str]) -> Cause:
    return Cause(meaning.cause, (*told, meaning.source), meaning.remedy, meaning.dns)


def _held(reply: str, told: list[str]) -> Cause:
    for words, cause, remedy in _HOLDS:
        if words in reply.lower():
            return Cause(cause, tuple(told), remedy)
    return Cause(
        "Postal holds the message",
        tuple(told),
        "look at it in Postal's web interface: release or delete it",
    )


def _relayed(relay: str, told: list[str]) -> Cause:
    return Cause(
        f"Postal gave it to the relay {relay}, which alone knows what became of it",
        tuple(told),
        "look at the relay's activity, and at its suppression list: mail to an address that once "
        "bounced is dropped there; if the receiver took it, it is in the recipient's spam folder",
    )


def _filtered(told: list[str]) -> Cause:
    return Cause(
        "the receiver took it: it is in the recipient's spam folder, another tab, or quarantine",
        tuple(told),
        "ask the recipient to look there, and see that SPF, DKIM and DMARC hold "
        "(`mailfleet dns check`, `mailfleet health --mail`)",
        dns="dmarc",
    )
