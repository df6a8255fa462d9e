"""The few things that forwarding needs of a message's header. The body is never looked at.

Nothing here decodes MIME or fails on a malformed message: what cannot be read is not there.
"""

import re
from collections.abc import Iterator
from email.utils import formatdate

_END_OF_HEADER = re.compile(rb"(?:\A|\n)\r?\n")
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:(.*(?:\n[ \t].*)*)(?:\n|\Z)", re.MULTILINE)
# mbox: local(8) puts such a line before the header, with the date of the attempt in it.
_MBOX_LINE = re.compile(rb"\AFrom [^\n]*\n")
_BETWEEN_ADDRESSES = re.compile(r'[\s<>()\[\],;:"\\]+')
_QUEUE_ID = re.compile(rb"\bid[ \t\r\n]+([0-9A-Za-z]{5,32})\b")

MOST_HOPS = 100
"""RFC 5321 section 6.3."""


def without_mbox_line(message: bytes) -> bytes:
    """The message as RFC 5322 has it."""
    found = _MBOX_LINE.match(message)
    return message[found.end() :] if found else message


def _addresses(text: str) -> Iterator[str]:
    """What can be an address in SMTP, in linear time whatever the text. One that somebody hides in
    a quoted string or a comment does no harm: he could as well have written to it."""
    for word in _BETWEEN_ADDRESSES.split(text):
        local, _, domain = word.partition("@")
        if local and domain and "@" not in domain:
            yield word


class Header:
    """The header of a message, as bytes that someone else wrote."""

    def __init__(self, message: bytes) -> None:
        end = _END_OF_HEADER.search(message)
        self._bytes = message[: end.end()] if end else message

    def _fields(self) -> Iterator[tuple[bytes, bytes, int, int]]:
        for field in _FIELD.finditer(self._bytes):
            yield field[1].lower(), field[2].strip(), field.start(), field.end()

    def values(self, *names: bytes) -> Iterator[str]:
        for name, value, _, _ in self._fields():
            if name in names:
                yield value.decode("utf-8", "replace")

    def of_last_hop(self) -> Iterator[tuple[bytes, str, int, int]]:
        """Fields above the first Received: those that our own Postfix put there. What is below may
        be the sender's."""
        for name, value, start, end in self._fields():
            if name == b"received":
                return
            yield name, value.decode("utf-8", "replace"), start, end

    @property
    def message_id(self) -> str:
        return next(self.values(b"message-id"), "")[:250]

    @property
    def queue_id(self) -> str:
        """As the topmost Received names it; empty if there is none."""
        for name, value, _, _ in self._fields():
            if name == b"received":
                found = _QUEUE_ID.search(value)
                return found[1].decode("ascii") if found else ""
        return ""

    @property
    def sender(self) -> str:
        """The envelope sender as Postfix's Return-Path has it; empty if there is none."""
        for name, value, _, _ in self.of_last_hop():
            if name == b"return-path":
                return next(_addresses(value), "")
        return ""

    def delivered_to(self) -> list[str]:
        """Whom Postfix delivers to, by its own fields: the first one that tells an alias counts."""
        last_hop = list(self.of_last_hop())
        return [
            address
            for wanted in (b"x-original-to", b"delivered-to")
            for name, value, _, _ in last_hop
            if name == wanted
            for address in _addresses(value)
        ]

    def addressees(self) -> list[str]:
        """Whom the author wrote to, each once."""
        values = self.values(b"to", b"cc", b"bcc")
        return list(dict.fromkeys(found for value in values for found in _addresses(value)))

    def has_passed(self, alias: str) -> bool:
        """Whether this alias, or an endless chain of servers, has had the message before."""
        marks = {value.lower() for value in self.values(b"x-loop")}
        return alias.lower() in marks or sum(1 for _ in self.values(b"received")) > MOST_HOPS


def forwarded(message: bytes, trace: bytes) -> bytes:
    """The message with a trace on top and every other byte as it was, but for the Return-Path of
    the last hop, which only the final delivery may add (RFC 5321 section 4.4)."""
    parts, position = [trace], 0
    for name, _, start, end in Header(message).of_last_hop():
        if name == b"return-path":
            parts.append(message[position:start])
            position = end
    parts.append(message[position:])
    return b"".join(parts)


def trace_lines(server: str, protocol: str, queue_id: str, alias: str, mailbox: str) -> bytes:
    """The fields that tell how a message came to a mailbox. No argument can add another field."""
    via = f"by {_word(server)} (email-api) with {protocol}"
    identity = f" id {_word(queue_id)}" if queue_id else ""
    lines = (
        f"Received: {via}{identity}\r\n\tfor <{_word(alias)}>; {formatdate(localtime=False)}",
        f"X-Forwarded-To: {_word(mailbox)}",
        f"X-Loop: {_word(alias)}",
    )
    return "".join(f"{line}\r\n" for line in lines).encode()


def _word(text: str) -> str:
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f<>]", "?", text)[:500]
