"""Which records of a zone are a fleet's own: one TXT record set in the zone itself says so.

It stands in the zone, and not in a file of the operator's, so that it cannot be lost, go stale or
differ between two operators; and it is one set, and not one beside each record, so that a zone does
not double."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from mailfleet.dns.publish.rrset import RRset, Slot
from mailfleet.dns.zone import absolute, relative

_VERSION = "v=mailfleet1"
_LONGEST = 255
"""Bytes: one character string for each value, which every provider stores as it is."""


def marker_name(owner: str, zone: str) -> str:
    return f"_{owner}.{zone}"


def read_marker(marker: RRset | None, zone: str) -> frozenset[Slot]:
    """The slots that a marker names. Values of another version are skipped."""
    found = set()
    for value in marker.values if marker else ():
        version, *words = value.split()
        if version == _VERSION and words:
            found |= {Slot(absolute(name, zone), words[0]) for name in words[1:]}
    return frozenset(found)


def marker_values(slots: Iterable[Slot], zone: str) -> tuple[str, ...]:
    """The values of a marker: `v=mailfleet1 KIND NAME NAME ...`, as many as are needed."""
    ordered = sorted(slots, key=lambda slot: (slot.kind, slot.name))
    return tuple(
        value
        for kind, group in groupby(ordered, key=lambda slot: slot.kind)
        for value in _packed(f"{_VERSION} {kind}", [relative(slot.name, zone) for slot in group])
    )


def _packed(head: str, names: list[str]) -> Iterator[str]:
    line = head
    for name in names:
        if line != head and len(line) + 1 + len(name) > _LONGEST:
            yield line
            line = head
        line = f"{line} {name}"
    yield line
