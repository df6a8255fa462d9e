"""Header fields that forwarding needs. The body is never inspected.

Nothing here decodes MIME or fails on a malformed message: a field that cannot be parsed counts as
absent.
"""

import re
from collections.abc import Iterator
from email.utils import formatdate

_END_OF_HEADER = re.compile(rb"(?:\A|\n)\r?\n")
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:(.*(?:\n[ \t].*)*)(?:\n|\Z)", re.MULTILINE)
# local(8) of Postfix writes this line, with the time of the delivery attempt, above the header.
_MBOX_LINE = re.compile(rb"\AFrom [^\n]*\n")
_ADDRESS_SEPARATOR = re.compile(r'[\s<>()\[\],;:"\\]+')
_QUEUE_ID = re.compile(rb"\bid[ \t\r\n]+([0-9A-Za-z]{5,32})\b")

MAX_HOPS = 100
"""RFC 5321 section 6.3."""


def strip_mbox_line(message: bytes) -> bytes:
    """Returns the message without the `From ` line of the mbox format, which RFC 5322 does not
    know."""
    match = _MBOX_LINE.match(message)
    return message[match.end() :] if match else message


def _addresses(text: str) -> Iterator[str]:
    """Every word that can be an address in SMTP, in linear time for any text. An address that a
    sender hides in a quoted string or a comment is harmless: he could have written to it openly."""
    for word in _ADDRESS_SEPARATOR.split(text):
        local, _, domain = word.partition("@")
        if local and domain and "@" not in domain:
            yield word


class Header:
    """The header of a message, as untrusted bytes."""

    def __init__(self, message: bytes) -> None:
        end = _END_OF_HEADER.search(message)
        self._bytes = message[: end.end()] if end else message

    def _fields(self) -> Iterator[tuple[bytes, bytes, int, int]]:
        for field in _FIELD.finditer(self._bytes):
            yield field[1].lower(), field[2].strip(), field.start(), field.end()

    def values(self, *names: bytes) -> Iterator[str]:
        """The values of all fields with one of these names (in lower case)."""
        for name, value, _, _ in self._fields():
            if name in names:
                yield value.decode("utf-8", "replace")

    def last_hop_fields(self) -> Iterator[tuple[bytes, str, int, int]]:
        """Name, value, start and end of the fields above the first Received. Our own Postfix wrote
        those; the fields below may come from the sender."""
        for name, value, start, end in self._fields():
            if name == b"received":
                return
            yield name, value.decode("utf-8", "replace"), start, end

    @property
    def message_id(self) -> str:
        return next(self.values(b"message-id"), "")[:250]

    @property
    def queue_id(self) -> str:
        """The queue id in the topmost Received; empty if there is none."""
        for name, value, _, _ in self._fields():
            if name == b"received":
                match = _QUEUE_ID.search(value)
                return match[1].decode("ascii") if match else ""
        return ""

    @property
    def sender(self) -> str:
        """The envelope sender in Postfix's Return-Path; empty if there is none."""
        for name, value, _, _ in self.last_hop_fields():
            if name == b"return-path":
                return next(_addresses(value), "")
        return ""

    def delivered_to(self) -> list[str]:
        """The recipients of this delivery, from the fields that Postfix adds, in order of
        preference."""
        last_hop = list(self.last_hop_fields())
        return [
            address
            for preferred in (b"x-original-to", b"delivered-to")
            for name, value, _, _ in last_hop
            if name == preferred
            for address in _addresses(value)
        ]

    def addressees(self) -> list[str]:
        """The addresses in To, Cc and Bcc, without duplicates."""
        values = self.values(b"to", b"cc", b"bcc")
        return list(dict.fromkeys(address for value in values for address in _addresses(value)))

    def is_looping(self, alias: str) -> bool:
        """Whether the message has already passed through this alias, or through more than MAX_HOPS
        servers."""
        marks = {value.lower() for value in self.values(b"x-loop")}
        return alias.lower() in marks or sum(1 for _ in self.values(b"received")) > MAX_HOPS


def prepend_fields(message: bytes, fields: bytes) -> bytes:
    """Returns the message with more fields on top. Removes the Return-Path of the last hop, which
    only the final delivery may add (RFC 5321 section 4.4); every other byte is unchanged."""
    parts, position = [fields], 0
    for name, _, start, end in Header(message).last_hop_fields():
        if name == b"return-path":
            parts.append(message[position:start])
            position = end
    parts.append(message[position:])
    return b"".join(parts)


def trace_fields(server: str, protocol: str, queue_id: str, alias: str, mailbox: str) -> bytes:
    """Returns the fields Received, X-Forwarded-To and X-Loop. No argument can inject another
    field."""
    via = f"by {_sanitized(server)} (email-api) with {protocol}"
    identity = f" id {_sanitized(queue_id)}" if queue_id else ""
    lines = (
        f"Received: {via}{identity}\r\n\tfor <{_sanitized(alias)}>; {formatdate(localtime=False)}",
        f"X-Forwarded-To: {_sanitized(mailbox)}",
        f"X-Loop: {_sanitized(alias)}",
    )
    return "".join(f"{line}\r\n" for line in lines).encode()


def _sanitized(text: str) -> str:
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f<>]", "?", text)[:500]
