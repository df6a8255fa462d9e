"""What the fleet knows of a message: values, made of what hosts answered."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mailfleet.health.sections import Section


@dataclass(frozen=True)
class Attempt:
    """One attempt to deliver, with what the other side answered."""

    at: float
    """Unix time; 0 where the log does not tell."""
    status: str
    """In Postal's words: Sent, SoftFail, HardFail, Held, Processed, Bounced, Error."""
    reply: str


@dataclass(frozen=True)
class Message:
    """A message in the hands of one program."""

    host: str
    program: str
    """Postal, Postfix or e-mail API."""
    id: str
    at: float
    sender: str
    status: str
    attempts: tuple[Attempt, ...] = ()
    queued: bool = False
    locked_seconds: int = 0
    """Since a worker has had it in hand; 0: none has."""
    due_seconds: int = 0
    """Since it could have been tried again."""

    @property
    def last_at(self) -> float:
        return max((attempt.at for attempt in self.attempts), default=self.at)


@dataclass(frozen=True)
class Way:
    """A port on which applications hand over, tried from here."""

    host: str
    address: str
    port: int
    error: str
    """`refused`, `timeout`, another error's words, or empty when the server greets."""
    listening: bool = True
    """Whether the host itself says that someone listens there."""


@dataclass(frozen=True)
class Line:
    """A line of a log, and where it stands."""

    host: str
    source: str
    text: str


@dataclass(frozen=True)
class Evidence:
    """Everything that was found out about one recipient."""

    to: str
    messages: tuple[Message, ...] = ()
    suppressed: tuple[str, ...] = ()
    """Reasons for which Postal does not send to the recipient."""
    redirects: tuple[Line, ...] = ()
    """Settings of containers that send all mail somewhere else."""
    application: tuple[Line, ...] = ()
    """Lines of applications' logs on this recipient, or on failures of SMTP."""
    refused_logins: tuple[Line, ...] = ()
    relays: tuple[str, ...] = ()
    """Smarthosts through which Postal sends."""
    ways: tuple[Way, ...] = ()
    listening: frozenset[int] | None = None
    """Ports of one host on which someone listens; None where it was not asked."""
    unanswered: tuple[str, ...] = ()
    """Hosts that could not be asked, and why."""

    @property
    def latest(self) -> Message | None:
        """The message at the place that it reached last."""
        return max(self.messages, key=lambda one: one.last_at, default=None)


def of_postal(host: str, text: str) -> tuple[list[Message], list[str]]:
    """Messages and suppressions, one JSON object a line, as questions.postal prints them, between
    warnings of the client."""
    messages, suppressed = [], []
    for line in text.splitlines():
        row = _json(line)
        if "suppressed" in row:
            suppressed.append(str(row["suppressed"]))
        if "server" not in row:
            continue
        attempts = tuple(_attempt(one) for one in _rows(row["attempts"]))
        messages.append(
            Message(
                host=host,
                program="Postal",
                id=f"{row['server']}/{row['id']}",
                at=float(row["at"] or 0),
                sender=row["sender"] or "",
                status=row["status"] or "Pending",
                attempts=attempts,
                queued=bool(row["queued"]),
                locked_seconds=int(row["locked"] or 0),
                due_seconds=max(0, int(row["due"] or 0)),
            )
        )
    return messages, suppressed


def _rows(value: Any) -> list[dict[str, Any]]:
    """MariaDB gives JSON from a subquery as text."""
    found = json.loads(value) if isinstance(value, str) else value
    return found or []


def _attempt(row: Mapping[str, Any]) -> Attempt:
    reply = " ".join(str(row[key]) for key in ("output", "details") if row.get(key))
    return Attempt(float(row["at"] or 0), str(row["status"]), " ".join(reply.split()))


_STATUSES = {"sent": "Sent", "deferred": "SoftFail", "bounced": "HardFail"}
_ATTEMPT = re.compile(
    r"postfix[^ ]*/(?!cleanup)[a-z-]+\[\d+\]: (?P<id>\w+): (?:to|orig_to)=<(?P<to>[^>]*)>,.*"
    r"\bstatus=(?P<status>\w+) \((?P<reply>.*)\)$"
)
_REFUSED = re.compile(
    r"NOQUEUE: reject: \w+ from [^:]*: (?P<reply>.*?); (?:from=<(?P<from>[^>]*)>)?"
)
_ISO = re.compile(r"^\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:?\d\d)")
_TRADITIONAL = re.compile(r"^([A-Z][a-z]{2}) +(\d+) (\d\d:\d\d:\d\d) ")


def of_postfix(host: str, lines: Iterable[str], now: datetime | None = None) -> list[Message]:
    """Messages of the lines of Postfix's log, one for each queue id, one for each refusal."""
    moment = now or datetime.now(UTC)
    attempts: dict[str, list[Attempt]] = {}
    refused = []
    for line in lines:
        at = _time(line, moment)
        if found := _ATTEMPT.search(line):
            status = _STATUSES.get(found["status"], "SoftFail")
            attempts.setdefault(found["id"], []).append(Attempt(at, status, found["reply"]))
        elif found := _REFUSED.search(line):
            status = "HardFail" if found["reply"].startswith("5") else "SoftFail"
            attempt = Attempt(at, status, found["reply"])
            refused.append(
                Message(host, "Postfix", "", at, found["from"] or "", status, (attempt,))
            )
    return refused + [
        Message(host, "Postfix", id, some[0].at, "", some[-1].status, tuple(some))
        for id, some in attempts.items()
    ]


def _time(line: str, now: datetime) -> float:
    """rsyslog's own format or RFC 3339; the former has no year, and is the host's time, UTC."""
    if found := _ISO.match(line):
        return datetime.fromisoformat(found[0]).timestamp()
    if found := _TRADITIONAL.match(line):
        text = f"{now.year} {found[1]} {found[2]} {found[3]}"
        moment = datetime.strptime(text, "%Y %b %d %H:%M:%S").replace(tzinfo=UTC)
        if moment.timestamp() > now.timestamp() + 86400:
            moment = moment.replace(year=now.year - 1)
        return moment.timestamp()
    return 0.0


def of_api(host: str, lines: Iterable[str]) -> list[Message]:
    """Handoffs in the log of the e-mail API: JSON objects with the event `accepted` or not."""
    found = []
    for line in lines:
        row = _json(line)
        event = row.get("event")
        if event not in ("accepted", "not accepted"):
            continue
        at = datetime.fromisoformat(row["time"]).timestamp()
        status = "Sent" if event == "accepted" else "SoftFail"
        reply = " ".join(str(row[key]) for key in ("reason", "detail") if row.get(key))
        id = str(row.get("queue_id") or "")
        found.append(Message(host, "e-mail API", id, at, "", status, (Attempt(at, status, reply),)))
    return found


def _json(line: str) -> dict[str, Any]:
    start = line.find("{")
    try:
        row = json.loads(line[start:]) if start >= 0 else {}
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def lines_of(host: str, section: Section | None) -> Iterator[Line]:
    """`SOURCE|TEXT` a line."""
    for line in section.lines if section else ():
        source, bar, text = line.partition("|")
        if bar:
            yield Line(host, source, text.strip())


def of_host(host: str, sections: Mapping[str, Section]) -> Evidence:
    """What one host answered; what it could not answer is missing."""
    messages: list[Message] = []
    suppressed: Sequence[str] = ()
    unanswered = [
        f"{host}: {name}: {' '.join(section.lines[-1:])}"
        for name, section in sections.items()
        if section.code and name == "postal"
    ]
    if "postal" in sections and not sections["postal"].code:
        messages, suppressed = of_postal(host, sections["postal"].text)
    if "postfix" in sections:
        messages += of_postfix(host, sections["postfix"].lines)
    if "api" in sections:
        messages += of_api(host, sections["api"].lines)
    return Evidence(
        to="",
        messages=tuple(messages),
        suppressed=tuple(suppressed),
        redirects=tuple(lines_of(host, sections.get("redirects"))),
        application=tuple(lines_of(host, sections.get("applications"))),
        refused_logins=tuple(lines_of(host, sections.get("logins"))),
        listening=_ports(sections.get("listening")),
        unanswered=tuple(unanswered),
    )


def _ports(section: Section | None) -> frozenset[int] | None:
    if section is None or section.code:
        return None
    return frozenset(int(line) for line in section.lines if line.isdigit())
