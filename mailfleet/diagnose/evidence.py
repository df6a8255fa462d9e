"""What the fleet knows of a message: values, made of what hosts answered."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mailfleet.checks.sections import SECONDS, Section


@dataclass(frozen=True)
class Attempt:
    """One attempt to deliver, with what the other side answered."""

    at: float
    """Unix time; 0 where the log does not tell."""
    status: str
    """In Postal's words: Sent, SoftFail, HardFail, Held, HoldCancelled, Processed, Bounced, Error.
    Relayed is what the e-mail API's relay took: what the receiver says, that relay knows."""
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
    recipient: str = ""
    """Where it differs from the one asked about: a mailbox behind an alias."""
    message_id: str = ""
    """The Message-ID header, without its brackets."""

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
    reached: bool = True
    """False where the network itself answers that there is no way."""


@dataclass(frozen=True)
class Line:
    """A line of a log, and where it stands."""

    host: str
    source: str
    text: str
    at: float = 0.0
    """Unix time; 0 where the line does not tell."""


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
    """Hosts, or what of them, that could not be asked, and why."""
    nobody_answers: bool = False
    """Whether that is so of all hosts."""
    since: float = 0.0
    """Unix time; what was last heard of before is another story. 0: whenever it was."""
    api_relays: Mapping[str, str] = field(default_factory=dict)
    """Host of an e-mail API -> name of its relay."""
    postal_names: frozenset[str] = frozenset()
    """Names of this fleet's Postal as a relay."""

    @property
    def latest(self) -> Message | None:
        """The message at the place that it reached last."""
        to_them = (one for one in self.messages if not one.recipient)
        return max(to_them, key=lambda one: one.last_at, default=None)

    def beyond(self, message: Message) -> Message | None:
        """The message in the hands of the next program, where that is one of the fleet: Postfix
        gives to the e-mail API, and that to Postal. Of several mailboxes, one not reached."""
        match message.program, message.status:
            case "Postfix", "Sent":
                same = [it for it in self._of("e-mail API") if it.id and it.id == message.id]
            case "e-mail API", "Relayed":
                wanted = message.message_id
                same = [it for it in self._of("Postal") if wanted and it.message_id == wanted]
            case _:
                same = []
        return min(same, key=lambda it: (it.status == "Sent", -it.last_at), default=None)

    def _of(self, program: str) -> Iterator[Message]:
        return (it for it in self.messages if it.program == program)


def of_postal(host: str, text: str, to: str = "") -> tuple[list[Message], list[str]]:
    """Messages and suppressions, one JSON object a line, as questions.postal prints them, between
    warnings of the client."""
    messages, suppressed = [], []
    for line in text.split("\n"):
        row = _json(line)
        if "suppressed" in row:
            suppressed.append(str(row["suppressed"]))
        if "server" not in row:
            continue
        attempts = tuple(_attempt(one) for one in _rows(row["attempts"]))
        recipient = row.get("recipient") or ""
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
                recipient=recipient if recipient.lower() != to.lower() else "",
                message_id=(row.get("message_id") or "").strip("<>"),
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
# Of smtpd, of postscreen, which names the client's port, and of a milter such as Rspamd. The answer
# may have a semicolon: `Client host [192.0.2.1] blocked using ...; https://...; from=<...>`.
_REFUSED = re.compile(
    r"postfix[^ ]*/[a-z-]+\[\d+\]: \w+: (?:milter-)?reject: \S+ from \S+: "
    r"(?P<reply>.*?)(?:; from=<(?P<from>[^>]*)>|$)"
)
_ISO_WITHIN = re.compile(
    r"\b\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)"
)
_ISO = re.compile(f"^{_ISO_WITHIN.pattern}")
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
        return _unix(found[0])
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
        status = "Relayed" if event == "accepted" else "SoftFail"
        reply = " ".join(str(row[key]) for key in ("reason", "detail") if row.get(key))
        found.append(
            Message(
                host,
                "e-mail API",
                str(row.get("queue_id") or ""),
                at,
                "",
                status,
                (Attempt(at, status, reply),),
                message_id=str(row.get("message_id") or "").strip("<>"),
            )
        )
    return found


def _json(line: str) -> dict[str, Any]:
    start = line.find("{")
    try:
        row = json.loads(line[start:]) if start >= 0 else {}
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def lines_of(host: str, section: Section | None) -> Iterator[Line]:
    """`SOURCE|TIME TEXT` a line, as `docker logs --timestamps` has it."""
    for line in section.lines if section else ():
        source, bar, text = line.partition("|")
        time = _ISO.match(text)
        if bar:
            shown = text[time.end() :] if time else text
            yield Line(host, source, shown.strip(), _unix(time[0]) if time else 0.0)


def of_log(lines: Iterable[str]) -> Iterator[Line]:
    """An application's log. A time without its zone tells nothing."""
    for line in lines:
        time = _ISO_WITHIN.search(line)
        yield Line("", "log", line, _unix(time[0]) if time else 0.0)


def _unix(time: str) -> float:
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError:
        # Such as 0000-00-00, which an application may log.
        return 0.0


def of_host(host: str, sections: Mapping[str, Section], to: str = "") -> Evidence:
    """What one host answered; what it could not answer is told."""
    messages: list[Message] = []
    suppressed: Sequence[str] = ()
    unanswered = [
        f"{host}: {name}: {_reason(section)}" for name, section in sections.items() if section.code
    ]
    if "postal" in sections and not sections["postal"].code:
        messages, suppressed = of_postal(host, sections["postal"].text, to)
    if "postfix" in sections:
        messages += of_postfix(host, sections["postfix"].lines)
    if "api" in sections:
        messages += of_api(host, sections["api"].lines)
    return Evidence(
        to=to,
        messages=tuple(messages),
        suppressed=tuple(suppressed),
        redirects=tuple(lines_of(host, sections.get("redirects"))),
        application=tuple(lines_of(host, sections.get("applications"))),
        refused_logins=tuple(lines_of(host, sections.get("logins"))),
        listening=_ports(sections.get("listening")),
        unanswered=tuple(unanswered),
    )


def _reason(failed: Section) -> str:
    if failed.code == 124:
        return f"no answer within {SECONDS} s"
    return "".join(failed.lines[-1:]) or f"exit status {failed.code}"


def _ports(section: Section | None) -> frozenset[int] | None:
    if section is None or section.code:
        return None
    return frozenset(int(line) for line in section.lines if line.isdigit())
