"""What a message tells of its way: hops (RFC 5321 section 4.4) and what its receiver found of SPF,
DKIM and DMARC (RFC 8601)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

METHODS = ("spf", "dkim", "dmarc")

_BY = re.compile(r"\bby\s+([^\s;()]+)")
_COMMENT = re.compile(r"\([^()]*\)")
_RESULT = re.compile(r"^\s*([a-z][a-z0-9-]*)(?:/\d+)?\s*=\s*([a-z]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Hop:
    """A server that took the message, and when (Unix time)."""

    by: str
    at: float


def hops(message: EmailMessage) -> list[Hop]:
    """In the order in which it went; lines that tell no server or time are left out."""
    return list(reversed(list(_hops(message))))


def _hops(message: EmailMessage) -> Iterator[Hop]:
    for line in message.get_all("Received", ()):
        text = " ".join(str(line).split())
        where, _, date = text.rpartition(";")
        by = _BY.search(_without_comments(where))
        try:
            at = parsedate_to_datetime(date.strip()).timestamp()
        except (TypeError, ValueError):
            continue
        if by:
            yield Hop(by[1], at)


def _without_comments(text: str) -> str:
    while (shorter := _COMMENT.sub(" ", text)) != text:
        text = shorter
    return text


def way(message: EmailMessage, sent: float) -> str:
    """Each hop with the seconds since the one before, as far as their clocks and whole seconds
    tell."""
    told, before = [], sent
    for hop in hops(message):
        told.append(f"{hop.by} {max(0, hop.at - before):.0f} s")
        before = hop.at
    return ", ".join(told)


def authentication(message: EmailMessage) -> dict[str, str]:
    """Method -> result, of the receiver's own headers. Those of others are whatever a sender
    wrote; the receiver puts its own on top, so the first one's authserv-id is the receiver's."""
    found: dict[str, str] = {}
    own = None
    for header in message.get_all("Authentication-Results", ()):
        server, *results = _without_comments(" ".join(str(header).split())).split(";")
        name = (server.split() or [""])[0].lower()
        own = own or name
        if name != own:
            continue
        for result in results:
            if (it := _RESULT.match(result)) and it[1].lower() in METHODS:
                # Several signatures: one that passes is enough (RFC 6376 section 6.1).
                method, value = it[1].lower(), it[2].lower()
                if found.get(method) != "pass":
                    found[method] = value
    return found
