"""Which records of a zone a fleet manages: a TXT record set of the zone, the marker, lists them.

In the zone it cannot be lost, become stale or differ between operators. One record set, instead of
one beside each record, keeps the zone small."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from mailfleet.dns.publish.rrset import RecordKey, RRset
from mailfleet.dns.zone import absolute, relative

_VERSION = "v=mailfleet1"
_LONGEST = 255
"""Bytes: one character string for each value, which every provider stores as it is."""


def marker_name(owner: str, zone: str) -> str:
    return f"_{owner}.{zone}"


def read_marker(marker: RRset | None, zone: str) -> frozenset[RecordKey]:
    """The slots that a marker names. Values of another version are skipped."""
    keys = set()
    for value in marker.values if marker else ():
        version, *words = value.split()
        if version == _VERSION and words:
            keys |= {RecordKey(absolute(name, zone), words[0]) for name in words[1:]}
    return frozenset(keys)


def marker_values(keys: Iterable[RecordKey], zone: str) -> tuple[str, ...]:
    """The values of a marker: `v=mailfleet1 KIND NAME NAME ...`, as many as are needed."""
    ordered = sorted(keys, key=lambda key: (key.kind, key.name))
    return tuple(
        value
        for kind, group in groupby(ordered, key=lambda key: key.kind)
        for value in _packed(f"{_VERSION} {kind}", [relative(key.name, zone) for key in group])
    )


def _packed(head: str, names: list[str]) -> Iterator[str]:
    line = head
    for name in names:
        if line != head and len(line) + 1 + len(name) > _LONGEST:
            yield line
            line = head
        line = f"{line} {name}"
    yield line
