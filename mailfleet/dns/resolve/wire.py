"""DNS messages: write queries and read responses (RFC 1035 section 4).

A message is a 12-byte header, the question, and three sections of records: answer, authority and
additional. Names are sequences of length-prefixed labels and may end in a pointer to an earlier
name. A response that does not fit a datagram has the bit TC and is repeated over TCP. EDNS
(RFC 6891) allows larger datagrams. Only the types that the checks need are parsed: a general
library takes ten times the processor time per response, which dominates checks of many domains."""

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from struct import Struct, error

from mailfleet.dns.text import quoted

TYPES = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "PTR": 12,
    "MX": 15,
    "TXT": 16,
    "AAAA": 28,
    "SRV": 33,
    "DS": 43,
    "TLSA": 52,
    "CAA": 257,
}
_TYPE_NAMES = {number: name for name, number in TYPES.items()}

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)

# Fits one unfragmented datagram on any path (DNS flag day 2020; RFC 9715 section 3.1).
UDP_SIZE = 1232

_RD, _TC, _AA, _QR, _RA = 0x0100, 0x0200, 0x0400, 0x8000, 0x0080
_AD, _CD = 0x0020, 0x0010
_HEADER = Struct("!6H")
_FIXED = Struct("!HHIH")
_TWO = Struct("!HH")
_THREE = Struct("!3H")
_SHORT = Struct("!H")
_NUMBERS = Struct("!5I")
# Root, OPT, payload size, extended code, version and flags 0, no options (RFC 6891 section 6.1.2).
_OPT = b"\0" + Struct("!HHIH").pack(41, UDP_SIZE, 0, 0)


_LENGTHS = [bytes((length,)) for length in range(64)]
_Names = dict[int, tuple[str, int]]
"""Offset of a name read before -> the name and its bytes."""
_MAX_POINTERS = 64
_ESCAPES = re.compile(r"([^\\]|\\([01]\d\d|2[0-4]\d|25[0-5]))*", re.DOTALL)


class InvalidNameError(ValueError):
    """What cannot be asked for: an empty or too long label, or more than 255 bytes in all."""


class MalformedMessageError(ValueError):
    """Not a DNS message, or one that contradicts itself."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource record, its data as a zone file has it (TXT: the joined strings, unquoted, one
    character for each byte; names lower case, without the trailing dot)."""

    name: str
    type: str
    ttl: int
    value: str


@dataclass(frozen=True, slots=True)
class Message:
    """An answer, without its additional section."""

    id: int
    rcode: int
    authoritative: bool
    recursion: bool
    question: tuple[str, int]
    secure: bool = False
    answers: list[Resource] = field(default_factory=list)
    authority: list[Resource] = field(default_factory=list)


def encode_name(name: str) -> bytes:
    """Wire form of a name; `\\DDD` is any byte (RFC 1035 section 5.1). Raises InvalidNameError."""
    raws = [_raw_label(label) for label in name.split(".")] if name else []
    for raw in raws:
        if not 0 < len(raw) < 64:
            raise InvalidNameError(f"{name}: a label has {len(raw)} bytes, 1 to 63 are allowed")
    wire = b"".join([_LENGTHS[len(raw)] + raw for raw in raws])
    if len(wire) > 254:
        raise InvalidNameError(f"{name[:40]}...: longer than 255 bytes")
    return wire + b"\0"


def _raw_label(label: str) -> bytes:
    if "\\" not in label:
        return label.encode()
    if not _ESCAPES.fullmatch(label):
        raise InvalidNameError(f"{label}: a backslash needs three digits, at most 255, after it")
    start, *escaped = label.split("\\")
    return start.encode() + b"".join(
        int(part[:3]).to_bytes() + part[3:].encode() for part in escaped
    )


def query(number: int, name: bytes, kind: int, edns: bool = True, unchecked: bool = False) -> bytes:
    """A recursive query for one encoded name. AD asks to be told whether signatures were checked
    (RFC 6840 section 5.7)."""
    header = _HEADER.pack(number, _RD | _AD | (_CD if unchecked else 0), 1, 0, 0, int(edns))
    return header + name + _TWO.pack(kind, 1) + (_OPT if edns else b"")


def is_truncated(data: bytes) -> bool:
    return len(data) > 2 and bool(data[2] & (_TC >> 8))


def parse(data: bytes) -> Message:
    """Read an answer. Raises MalformedMessageError, whatever the bytes."""
    try:
        return _parse(data)
    except (error, IndexError, UnicodeDecodeError) as problem:
        raise MalformedMessageError(f"ends too early: {problem}") from None


def _parse(data: bytes) -> Message:
    number, flags, questions, answers, authority, _ = _HEADER.unpack_from(data)
    if not flags & _QR or questions != 1:
        raise MalformedMessageError("not the answer to one question")
    names: _Names = {}
    asked, at = _name(data, 12, names)
    kind, _ = _TWO.unpack_from(data, at)
    message = Message(
        number, flags & 15, bool(flags & _AA), bool(flags & _RA), (asked, kind), bool(flags & _AD)
    )
    at = _section(data, at + 4, answers, names, message.answers)
    _section(data, at, authority, names, message.authority)
    return message


def _section(data: bytes, at: int, count: int, names: _Names, resources: list[Resource]) -> int:
    for _ in range(count):
        name, at = _name(data, at, names)
        kind, klass, ttl, length = _FIXED.unpack_from(data, at)
        start, at = at + 10, at + 10 + length
        if at > len(data):
            raise MalformedMessageError("a record goes beyond the end")
        if klass == 1 and kind in _TYPE_NAMES:
            value = _value(data, start, at, kind, names)
            # RFC 2181 section 8: the top bit makes it zero.
            resources.append(Resource(name, _TYPE_NAMES[kind], ttl if ttl < 1 << 31 else 0, value))
    return at


def _value(data: bytes, start: int, end: int, kind: int, names: _Names) -> str:
    if kind == 1:
        if end - start != 4:
            raise MalformedMessageError("an A record without 4 bytes")
        return ".".join(map(str, data[start:end]))
    if kind == 28:
        if end - start != 16:
            raise MalformedMessageError("an AAAA record without 16 bytes")
        return str(IPv6Address(data[start:end]))
    if kind == 16:
        return _text(data, start, end)
    if kind in (43, 52, 257):
        return _fields(data[start:end], kind)
    if kind == 15:
        value, at = _name(data, start + 2, names)
        value = f"{_SHORT.unpack_from(data, start)[0]} {value or '.'}"
    elif kind == 33:
        value, at = _name(data, start + 6, names)
        value = f"{' '.join(map(str, _THREE.unpack_from(data, start)))} {value or '.'}"
    elif kind == 6:
        primary, at = _name(data, start, names)
        mailbox, at = _name(data, at, names)
        numbers = " ".join(map(str, _NUMBERS.unpack_from(data, at)))
        value, at = f"{primary or '.'} {mailbox or '.'} {numbers}", at + 20
    else:
        value, at = _name(data, start, names)
    if at != end:
        raise MalformedMessageError("record data of the wrong length")
    return value


def _fields(raw: bytes, kind: int) -> str:
    """DS (RFC 4034 section 5.1), TLSA (RFC 6698 section 2.1) or CAA (RFC 8659 section 4.1)."""
    if kind == 43:
        return f"{_SHORT.unpack_from(raw)[0]} {raw[2]} {raw[3]} {raw[4:].hex()}"
    if kind == 52:
        return f"{raw[0]} {raw[1]} {raw[2]} {raw[3:].hex()}"
    end = 2 + raw[1]
    if len(raw) < end:
        raise MalformedMessageError("a CAA tag goes beyond its record")
    return f"{raw[0]} {quoted(raw[2:end], '')} {quoted(raw[end:])}"


def _text(data: bytes, start: int, end: int) -> str:
    parts = []
    while start < end:
        stop = start + 1 + data[start]
        if stop > end:
            raise MalformedMessageError("a character string goes beyond its record")
        parts.append(data[start + 1 : stop])
        start = stop
    return b"".join(parts).decode("latin-1")


def _name(data: bytes, at: int, names: _Names) -> tuple[str, int]:
    """A possibly compressed name (RFC 1035 section 4.1.4), and where what follows it begins."""
    start, after, lowest = at, 0, at
    labels: list[str] = []
    size = pointers = 0
    while length := data[at]:
        if length >= 192:
            pointer = _SHORT.unpack_from(data, at)[0] & 0x3FFF
            after = after or at + 2
            pointers += 1
            # Only ever backwards, so that no loop is possible.
            if pointer >= lowest or pointers > _MAX_POINTERS:
                raise MalformedMessageError("a compressed name points forward, or too often")
            if pointer in names:
                known, known_size = names[pointer]
                labels.append(known)
                size += known_size
                break
            at = lowest = pointer
        elif length < 64:
            if at + length >= len(data):
                raise MalformedMessageError("a label goes beyond the end")
            labels.append(_label(data[at + 1 : at + 1 + length]))
            size += length + 1
            at += 1 + length
        else:
            raise MalformedMessageError("an unknown kind of label")
        if size > 254:
            break
    if size > 254:
        raise MalformedMessageError("a name longer than 255 bytes")
    name = ".".join(label for label in labels if label)
    names[start] = name, size
    return name, after or at + 1


def _label(raw: bytes) -> str:
    text = raw.lower().decode("latin-1")
    if text.isascii() and text.isprintable() and "." not in text and "\\" not in text:
        return text
    return "".join(
        character
        if 33 <= ord(character) < 127 and character not in ".\\"
        else f"\\{ord(character):03}"
        for character in text
    )
