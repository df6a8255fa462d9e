"""Record sets of a zone, and the key of the part that a fleet manages."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import dns.exception
import dns.rdata
import dns.rdatatype
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.SRV import SRV
from dns.rdtypes.nsbase import NSBase

from mailfleet.dns.record import presentation

_VERSION = re.compile(r"v=([A-Za-z0-9]+)(?=[\s;]|\Z)")


@dataclass(frozen=True)
class RRset:
    """All values of one name and type in a zone. Values as in `Record`."""

    name: str
    type: str
    values: tuple[str, ...]
    ttl: int | None = None
    """Seconds; None where the provider has none of its own for each set."""

    @property
    def lines(self) -> list[str]:
        return [presentation(self.type, value) for value in self.values]


@dataclass(frozen=True, order=True)
class RecordKey:
    """What one owner manages at a name: a record set, or the TXT records of one kind. An SPF policy
    and the verification token of another service share a name but not an owner."""

    name: str
    kind: str
    """`MX`; `TXT/spf1` for the TXT records that begin with v=spf1."""

    @property
    def type(self) -> str:
        return self.kind.partition("/")[0]

    def values_of(self, rrset: RRset | None) -> tuple[str, ...]:
        """The values of a set that belong to this key, sorted."""
        values = rrset.values if rrset else ()
        return tuple(sorted(value for value in values if key_kind(self.type, value) == self.kind))


def key_kind(kind: str, value: str) -> str:
    """The kind of the record key that a value of a record type belongs to."""
    if kind != "TXT":
        return kind
    version = _VERSION.match(value)
    return f"TXT/{version[1]}" if version else "TXT"


class UnreadableValueError(ValueError):
    """Text that is not record data of its type."""


def value_of(kind: str, line: str) -> str:
    """A value of a zone file's line, the inverse of `presentation`. Raises UnreadableValueError."""
    try:
        return rdata_value(dns.rdata.from_text("IN", kind, line))
    except (dns.exception.DNSException, ValueError) as error:
        raise UnreadableValueError(f"{kind} {line}: {error}") from None


def rdata_value(rdata: dns.rdata.Rdata) -> str:
    """The value of record data as dnspython reads it."""
    match rdata:
        case TXT():
            return b"".join(rdata.strings).decode("latin-1")
        case MX():
            return f"{rdata.preference} {_bare(rdata.exchange)}"
        case SRV():
            return f"{rdata.priority} {rdata.weight} {rdata.port} {_bare(rdata.target)}"
        case NSBase():
            return _bare(rdata.target)
        case _:
            return rdata.to_text()


def _bare(name: object) -> str:
    text = str(name).lower()
    return text if text == "." else text.removesuffix(".")


def by_key(rrsets: Iterable[RRset]) -> dict[tuple[str, str], RRset]:
    """Sets by name and type."""
    return {(rrset.name, rrset.type): rrset for rrset in rrsets}
