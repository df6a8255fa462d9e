"""What became of one message, and why: from its last state, and from what was answered."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from mailfleet.components.postal.queue_probes import STALE_LOCK_MINUTES
from mailfleet.diagnose.diagnosis import Cause
from mailfleet.diagnose.evidence import Evidence, Message
from mailfleet.diagnose.replies import Meaning, meaning_of

_DUE_SECONDS = 120
"""Workers look for due messages every few seconds."""


def named(message: Message) -> str:
    name = f"{message.program} on {message.host}"
    name = f"{name}, message {message.id}" if message.id else name
    return f"{name} to {message.recipient}" if message.recipient else name


def when(at: float) -> str:
    return f", {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC" if at else ""


def state(message: Message) -> str:
    count = len(message.attempts)
    tried = f"{count} attempt{'s' if count != 1 else ''}"
    return f"{message.status}, {tried}{', in the queue' if message.queued else ''}"


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


def of_message(evidence: Evidence, message: Message) -> Cause:
    """The cause of a message's last state."""
    replies = [one for one in message.attempts if not one.reply.startswith(_GAVE_UP)]
    last = replies[-1] if replies else None
    reply = last.reply if last else ""
    told = [f"{named(message)}: {reply}" if reply else f"{named(message)}: {state(message)}"]
    if explain := _FINAL.get(message.status):
        return explain(evidence, message, reply, told)
    if message.locked_seconds > STALE_LOCK_MINUTES * 60:
        return _locked(message, told)
    if last and last.status in _FAILED and (meaning := meaning_of(reply)):
        return from_meaning(meaning, told)
    if message.queued or (message.program == "Postal" and not last):
        return _queued(message, told)
    return Cause(
        f"{message.program} could not deliver it, for a reason that is not known here",
        tuple(told),
        "read the answer above, and `postal logs worker` or the mailserver's log",
        found=False,
    )


_FAILED = ("SoftFail", "HardFail", "Error")


def _locked(message: Message, told: list[str]) -> Cause:
    return Cause(
        "a worker died while it had the message in hand: the lock is stale",
        (*told, f"locked for {message.locked_seconds // 60} min"),
        "the runbook on an unhealthy Postal tells how to release stale locks",
    )


def _queued(message: Message, told: list[str]) -> Cause:
    if message.queued and not message.locked_seconds and message.due_seconds > _DUE_SECONDS:
        return Cause(
            "it waits in Postal's queue and no worker takes it",
            (*told, f"due for {message.due_seconds} s"),
            "`postal logs worker`, `postal restart worker`",
        )
    return Cause(
        "it is on its way: Postal has it in the queue",
        tuple(told),
        "wait a minute and ask again",
        found=False,
    )


def from_meaning(meaning: Meaning, told: Iterable[str]) -> Cause:
    return Cause(meaning.cause, (*told, meaning.source), meaning.remedy, meaning.dns)


def _held(evidence: Evidence, message: Message, reply: str, told: list[str]) -> Cause:
    told = [*told, *(f"suppressed: {one}" for one in evidence.suppressed)]
    for words, cause, remedy in _HOLDS:
        if words in reply.lower():
            return Cause(cause, tuple(told), remedy)
    return Cause(
        "Postal holds the message",
        tuple(told),
        "look at it in Postal's web interface: release or delete it",
    )


def _given_up(evidence: Evidence, message: Message, reply: str, told: list[str]) -> Cause:
    """Postal cancels holds that expire, too (expire_held_messages_scheduled_task.rb)."""
    held = [one.reply for one in message.attempts if one.status == "Held"]
    return Cause(
        "Postal held it and will not send it: the hold expired, or somebody cancelled it",
        (*told, *(f"held: {reply}" for reply in held[-1:])),
        "put right what it was held for, then send it again",
    )


def _sent(evidence: Evidence, message: Message, reply: str, told: list[str]) -> Cause:
    relay = next((name for name in evidence.relays if name in reply.lower()), "")
    return _relayed(relay, told) if relay else _filtered(told)


def _bounced(evidence: Evidence, message: Message, reply: str, told: list[str]) -> Cause:
    return Cause(
        "the receiver took it and sent a bounce later",
        tuple(told),
        "the bounce is linked to the message in Postal's web interface: it says why",
    )


def _relayed(relay: str, told: list[str]) -> Cause:
    return Cause(
        f"Postal gave it to the relay {relay}, which alone knows what became of it",
        tuple(told),
        "look at the relay's activity, and at its suppression list: mail to an address that once "
        "bounced is dropped there; if the receiver took it, it is in the recipient's spam folder",
    )


def _forwarded(evidence: Evidence, message: Message, reply: str, told: list[str]) -> Cause:
    relay = evidence.api_relays.get(message.host) or "of its settings"
    gave = f"the e-mail API gave it to its relay {relay}"
    if relay in evidence.postal_names:
        return Cause(
            f"{gave}, this fleet's Postal, which shows no message to a mailbox behind the alias",
            tuple(told),
            "ask again with --to and the mailbox's own address; Postal removes old messages",
            found=False,
        )
    return Cause(
        f"{gave}, which alone knows what became of it",
        tuple(told),
        "look there for the mailboxes behind the alias: it may be queued, refused or bounced; if "
        "the receiver took it, it is in the recipient's spam folder",
    )


def _filtered(told: list[str]) -> Cause:
    return Cause(
        "the receiver took it: it is in the recipient's spam folder, another tab, or quarantine",
        tuple(told),
        "ask the recipient to look there, and see that SPF, DKIM and DMARC hold "
        "(`mailfleet dns check`, `mailfleet health --mail`)",
        dns="dmarc",
    )


_FINAL: Mapping[str, Callable[[Evidence, Message, str, list[str]], Cause]] = {
    "Held": _held,
    "HoldCancelled": _given_up,
    "Sent": _sent,
    "Processed": _sent,
    "Relayed": _forwarded,
    "Bounced": _bounced,
}
"""Status in which delivery has ended -> what explains it."""
