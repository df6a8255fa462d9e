"""What comes next where a change of DNS takes weeks: DKIM keys are rotated, mail moves from one
service to another. Pure, from settings, findings and dates."""

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
"""Of a move: until caches and reports tell, with a part of the mail, and for late bounces."""


class State(StrEnum):
    """`fix`: what should be there is not; `do`: the operator's turn; `wait`: nobody's."""

    FIX = "fix"
    DO = "do"
    WAIT = "wait"


@dataclass(frozen=True)
class Step:
    """The step that one sequence is at."""

    subject: str
    state: State
    text: str


@dataclass(frozen=True)
class Situation:
    """What the steps follow from."""

    findings: Sequence[Finding]
    signing: Callable[[str], Collection[str]]
    """Domain -> selectors that something of the fleet signs with."""
    switch: Callable[[DkimKey], str]
    """What to set so that a key signs."""
    dates: Dates
    now: datetime
    ttl: int
    """Seconds, of published records."""

    def fault(self, names: Collection[str]) -> str:
        """What keeps records from being seen everywhere; empty if nothing does."""
        for one in self.findings:
            if one.name in names and (
                one.verdict in (Verdict.FAIL, Verdict.UNKNOWN)
                or (
                    one.verdict is Verdict.WARN
                    and one.check in ("spf.include", "propagation", "dkim")
                )
            ):
                return f"{one.name} {one.type}: {one.seen}"
            if one.check in ("propagation.server", "propagation.serial") and any(
                is_below(name, one.name) for name in names
            ):
                return one.seen
        return ""

    def waits(self, event: str, time: timedelta) -> str:
        """Until when, if the time since an event is not over; empty if it is."""
        end = self.dates.since(event, self.now) + time
        return f"{end:%Y-%m-%d %H:%M} UTC" if self.now < end else ""


_PUBLISH = "run `mailfleet dns publish`, then this again"


def key_step(key: DkimKey, there: Situation) -> Step:
    """Where the rotation of one key is."""
    name = f"{key.selector}._domainkey.{key.domain}"
    subject = f"DKIM key {key.selector} of {key.domain}"
    event = f"{subject}: {key.stage}"
    if key.selector in there.signing(key.domain):
        if key.stage == "next":
            text = 'it signs now: in dns_dkim_keys put the former key as stage="old" in its place'
            return Step(subject, State.DO, text)
        return Step(
            subject, State.FIX, f'something still signs with it, so it is not "{key.stage}"'
        )
    if fault := there.fault([name]):
        return Step(subject, State.FIX, f"{fault}; {_PUBLISH}")
    match key.stage:
        case "next":
            if until := there.waits(event, timedelta(seconds=2 * there.ttl)):
                text = f"published; caches may not know it until {until}"
                return Step(subject, State.WAIT, text)
            return Step(subject, State.DO, f"seen everywhere: {there.switch(key)}, and deploy")
        case "old":
            if until := there.waits(event, KEEP_OLD_KEY):
                text = f"mail signed with it may be under way until {until}"
                return Step(subject, State.WAIT, text)
            text = f'nothing is signed with it any more: set stage="revoked", and {_PUBLISH}'
            return Step(subject, State.DO, text)
    if until := there.waits(event, KEEP_REVOKED_KEY):
        return Step(subject, State.WAIT, f"revoked; it can go from dns_dkim_keys on {until}")
    return Step(subject, State.DO, f"done: take it out of dns_dkim_keys, and {_PUBLISH}")


def sender_step(sender: Sender, there: Situation) -> Step:
    """Where a service that joins or leaves is."""
    service = sender.include or next(iter((*sender.aliases.values(), *sender.dkim)), "service")
    subject = f"{service} for {sender.domain}"
    event = f"{subject}: {sender.stage}"
    if sender.stage == "leaving":
        if until := there.waits(event, KEEP_OLD_SENDER):
            text = f"late bounces and waiting mail need its records until {until}"
            return Step(subject, State.WAIT, text)
        return Step(subject, State.DO, f"take it out of dns_senders, and {_PUBLISH}")
    names = {
        *([sender.domain] if sender.include else []),
        *(f"{selector}._domainkey.{sender.domain}" for selector in sender.dkim),
        *(f"{name}.{sender.domain}" for name in sender.aliases),
    }
    if fault := there.fault(names):
        return Step(subject, State.FIX, f"{fault}; {_PUBLISH}")
    if until := there.waits(event, SETTLE):
        return Step(
            subject, State.WAIT, f"published; let caches and DMARC reports tell until {until}"
        )
    if until := there.waits(event, SETTLE + TRIAL):
        text = (
            "send a small part of the mail by it, from one program or host, and read the DMARC "
            f"reports: it must be aligned. Until {until}"
        )
        return Step(subject, State.DO, text)
    text = (
        "send all mail by it; then take stage off here, and set "
        'stage="leaving" for the service before'
    )
    return Step(subject, State.DO, text)


def steps(keys: Sequence[DkimKey], senders: Sequence[Sender], there: Situation) -> Iterator[Step]:
    """Every sequence that the settings name, where it is now."""
    yield from (key_step(key, there) for key in keys)
    yield from (sender_step(sender, there) for sender in senders if sender.stage)
