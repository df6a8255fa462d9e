"""From evidence to an answer, in the order in which an operator would ask; the first that explains
it ends the walk."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from mailfleet.diagnose.application import MAIL, Failure, failure_of, last_failure
from mailfleet.diagnose.delivery import from_meaning, named, of_message, state, when
from mailfleet.diagnose.diagnosis import Cause, Diagnosis, Step
from mailfleet.diagnose.evidence import Evidence, Line, Message
from mailfleet.diagnose.questions import HOURS
from mailfleet.diagnose.replies import meaning_of


def diagnose(evidence: Evidence) -> Diagnosis:
    """Pure."""
    steps, cause = _walk(evidence)
    return Diagnosis(evidence.to, tuple(steps), cause, evidence.unanswered, evidence.nobody_answers)


def _walk(evidence: Evidence) -> tuple[list[Step], Cause]:
    """An older message to the same recipient is another story."""
    message = evidence.latest
    if message is None:
        where = (
            "on reachable hosts" if evidence.unanswered else "in Postal, Postfix or the e-mail API"
        )
        return [Step(_SENT, f"not found {where}")], _not_seen(evidence)
    last = f"{named(message)}{when(message.at)}"
    if _is_old(evidence, message):
        cause = _not_seen(evidence)
        remedy = f"{cause.remedy}; about the older message ask with its --message-id"
        older = cause if cause.found else replace(cause, remedy=remedy)
        days = HOURS / 24 + (evidence.since - message.last_at) / 86400
        told = f"not in the last {HOURS} h; {days:.0f} days ago by {last}: {message.status}"
        return [Step(_SENT, told)], older
    if later := _later(evidence, message):
        what, cause = later
        walked = [Step(_SENT, f"not since {last}: {message.status}"), what]
        return walked, _with_earlier(cause, message, of_message(evidence, message))
    steps = [Step(_SENT, f"yes: {last}")]
    while beyond := evidence.beyond(message):
        message = beyond
        steps.append(Step("Was it sent on?", f"yes: {named(message)}{when(message.at)}"))
    steps.append(Step("Was it delivered?", state(message)))
    cause = of_message(evidence, message)
    return steps, replace(cause, evidence=(*cause.evidence, *_later_logins(evidence, message)))


_SENT = "Was it sent?"


def _is_old(evidence: Evidence, message: Message) -> bool:
    return 0 < message.last_at < evidence.since and not message.queued


def _later(evidence: Evidence, message: Message) -> tuple[Step, Cause] | None:
    """What applications met after the last message was heard of."""
    if not evidence.since:
        return None

    def after(lines: Iterable[Line]) -> tuple[Line, ...]:
        return tuple(sorted((it for it in lines if it.at > message.last_at), key=lambda it: it.at))

    failures = (it for it in evidence.application if _is_of_mail(it, evidence.to))
    newer = replace(
        evidence,
        redirects=after(evidence.redirects),
        application=after(it for it in failures if failure_of(it.text)),
    )
    question = "What came later?"
    if cause := _redirected(newer):
        told = f"an application was started that redirects{when(newer.redirects[-1].at)}"
        return Step(question, told), cause
    if cause := _failed_application(newer):
        told = f"an application failed to send{when(newer.application[-1].at)}"
        return Step(question, told), cause
    return None


def _with_earlier(cause: Cause, message: Message, earlier: Cause) -> Cause:
    """What came later may be about other mail: what holds up the message itself is told too."""
    if message.status in _THROUGH or not earlier.found:
        return cause
    return replace(
        cause,
        evidence=(*cause.evidence, f"before that: {earlier.evidence[0]}: {earlier.cause}"),
        remedy=f"{cause.remedy}; about the message before that: {earlier.remedy}",
    )


_THROUGH = ("Sent", "Processed", "Relayed")


def _later_logins(evidence: Evidence, message: Message) -> list[str]:
    """Strangers try passwords all the time: no cause, unless nothing else explains it."""
    newer = [it for it in evidence.refused_logins if evidence.since and it.at > message.last_at]
    return [f"later{when(it.at)}: {it.host}: {it.source}: {it.text}" for it in newer[-1:]]


def _not_seen(evidence: Evidence) -> Cause:
    return next(it for it in (ask(evidence) for ask in _NOT_SEEN) if it)


def _redirected(evidence: Evidence) -> Cause | None:
    if not evidence.redirects:
        return None
    return Cause(
        "an application sends all its mail to another address",
        tuple(f"{one.host}: {one.source}: {one.text}" for one in evidence.redirects),
        "unset it in production and start the application again",
    )


def _is_of_mail(line: Line, to: str) -> bool:
    """A log that was given is the right one."""
    about_mail = re.search(MAIL, line.text, re.IGNORECASE)
    return not line.host or bool(about_mail) or to.lower() in line.text.lower()


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
        return from_meaning(meaning, told)
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
    if any(way.error == "timeout" or not way.reached for way in closed):
        error = "timeout" if any(it.error == "timeout" for it in closed) else "unreachable"
        return Cause(
            f"{error}: a firewall in front of Postal's SMTP server keeps connections out, or the "
            "host is down",
            shown,
            "`mailfleet drift` shows the host's own firewall; then look at the provider's",
            # Where no host can be logged in to either, it may as well be this machine's network.
            found=not evidence.nobody_answers,
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
    shown = (*told, *_ways(evidence))
    if evidence.unanswered:
        return Cause(
            "no trace of it, but some sources are unreachable",
            shown,
            "ask again when they answer: `mailfleet health` tells what is wrong with them",
            found=False,
        )
    return Cause(
        "there is no trace of it: the application did not try, or sends through another server",
        shown,
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
