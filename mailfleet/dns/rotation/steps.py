"""The next step of a DKIM rotation or a migration between mail services, which take weeks. Pure
functions of settings, findings and dates."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.rotation.dates import Dates
from mailfleet.dns.settings import DkimKey, Sender
from mailfleet.dns.zone import is_below

KEEP_OLD_KEY = timedelta(days=7)
"""Mail waits in queues for up to 5 days (RFC 5321 section 4.5.4.1)."""
KEEP_REVOKED_KEY = timedelta(days=30)
SETTLE, TRIAL, KEEP_OLD_SENDER = timedelta(hours=48), timedelta(days=7), timedelta(days=14)
"""Of a migration: until caches expire and DMARC reports arrive, with a part of the mail, and for
late bounces."""


class State(StrEnum):
    """`fix`: a record is missing or wrong; `do`: the operator acts; `wait`: nothing to do yet."""

    FIX = "fix"
    DO = "do"
    WAIT = "wait"


@dataclass(frozen=True)
class Step:
    """The next step of one rotation or migration."""

    subject: str
    state: State
    text: str


@dataclass(frozen=True)
class Situation:
    """What the steps depend on."""

    findings: Sequence[Finding]
    signing: Callable[[str], Collection[str]]
    """Domain -> selectors with which components sign."""
    switch: Callable[[DkimKey], str]
    """The settings that make a key sign."""
    dates: Dates
    now: datetime
    ttl: int
    """Seconds, of published records."""

    def fault(self, names: Collection[str]) -> str:
        """Why records are not visible on all servers; empty if they are."""
        for one in self.findings:
            if one.name in names and (
                one.verdict in (Verdict.FAIL, Verdict.UNKNOWN)
                or (
                    one.verdict is Verdict.WARN
                    and one.check in ("spf.include", "propagation", "dkim")
                )
            ):
                return f"{one.name} {one.type}: {one.found}"
            if one.check in ("propagation.server", "propagation.serial") and any(
                is_below(name, one.name) for name in names
            ):
                return one.found
        return ""

    def waits(self, event: str, time: timedelta) -> str:
        """When the time since an event ends; empty if it has ended."""
        end = self.dates.since(event, self.now) + time
        return f"{end:%Y-%m-%d %H:%M} UTC" if self.now < end else ""


_PUBLISH = "run `mailfleet dns publish`, then this command again"


def _key_step(key: DkimKey, situation: Situation) -> Step:
    """The next step of the rotation of one key."""
    name = f"{key.selector}._domainkey.{key.domain}"
    subject = f"DKIM key {key.selector} of {key.domain}"
    event = f"{subject}: {key.stage}"
    if key.selector in situation.signing(key.domain):
        if key.stage == "next":
            text = 'it signs now: in dns_dkim_keys replace it by the previous key with stage="old"'
            return Step(subject, State.DO, text)
        return Step(
            subject, State.FIX, f'a component still signs with it: stage "{key.stage}" is too early'
        )
    if fault := situation.fault([name]):
        return Step(subject, State.FIX, f"{fault}; {_PUBLISH}")
    match key.stage:
        case "next":
            if until := situation.waits(event, timedelta(seconds=2 * situation.ttl)):
                text = f"published; caches may lack it until {until}"
                return Step(subject, State.WAIT, text)
            return Step(
                subject, State.DO, f"visible on all servers: {situation.switch(key)}, and deploy"
            )
        case "old":
            if until := situation.waits(event, KEEP_OLD_KEY):
                text = f"mail signed with it may still be queued until {until}"
                return Step(subject, State.WAIT, text)
            text = f'no queued mail is signed with it: set stage="revoked", and {_PUBLISH}'
            return Step(subject, State.DO, text)
    if until := situation.waits(event, KEEP_REVOKED_KEY):
        return Step(subject, State.WAIT, f"revoked; remove it from dns_dkim_keys after {until}")
    return Step(subject, State.DO, f"done: remove it from dns_dkim_keys, and {_PUBLISH}")


def _sender_step(sender: Sender, situation: Situation) -> Step:
    """The next step of a service that joins or leaves."""
    service = sender.include or next(iter((*sender.aliases.values(), *sender.dkim)), "service")
    subject = f"{service} for {sender.domain}"
    event = f"{subject}: {sender.stage}"
    if sender.stage == "leaving":
        if until := situation.waits(event, KEEP_OLD_SENDER):
            text = f"late bounces and queued mail need its records until {until}"
            return Step(subject, State.WAIT, text)
        return Step(subject, State.DO, f"remove it from dns_senders, and {_PUBLISH}")
    names = {
        *([sender.domain] if sender.include else []),
        *(f"{selector}._domainkey.{sender.domain}" for selector in sender.dkim),
        *(f"{name}.{sender.domain}" for name in sender.aliases),
    }
    if fault := situation.fault(names):
        return Step(subject, State.FIX, f"{fault}; {_PUBLISH}")
    if until := situation.waits(event, SETTLE):
        return Step(
            subject, State.WAIT, f"published; wait for caches and DMARC reports until {until}"
        )
    if until := situation.waits(event, SETTLE + TRIAL):
        text = (
            "send a small part of the mail through it, from one program or host, and check in the "
            f"DMARC reports that it is aligned, until {until}"
        )
        return Step(subject, State.DO, text)
    text = (
        "send all mail through it; then remove its stage and set "
        'stage="leaving" for the previous service'
    )
    return Step(subject, State.DO, text)


def next_steps_of(
    keys: Sequence[DkimKey], senders: Sequence[Sender], situation: Situation
) -> Iterator[Step]:
    """The next step of each rotation and migration."""
    yield from (_key_step(key, situation) for key in keys)
    yield from (_sender_step(sender, situation) for sender in senders if sender.stage)
