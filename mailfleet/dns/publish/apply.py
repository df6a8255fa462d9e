"""Publish: read and plan every zone, write it, and read it again."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mailfleet.dns.publish.ownership import marker_name, read_marker
from mailfleet.dns.publish.plan import Change, Plan, plan
from mailfleet.dns.publish.rrset import RRset, by_key
from mailfleet.dns.record import Record
from mailfleet.dns.zone import is_below


class Place(Protocol):
    """A DNS provider's access to the records of a zone."""

    @property
    def TYPES(self) -> frozenset[str]: ...

    @property
    def label(self) -> str: ...

    def read(self, names: Collection[str]) -> Sequence[RRset]: ...

    def write(self, changes: Sequence[Change]) -> None: ...


class PlanChangedError(Exception):
    """The zone does not have the planned records after writing."""


@dataclass(frozen=True)
class Publication:
    """One zone: its provider, the plan, and records that the provider does not support."""

    place: Place
    plan: Plan
    unsupported: tuple[Record, ...] = ()
    """Records of a type that the provider does not support."""


def sort_by_zone(
    records: Iterable[Record], zones: Collection[str]
) -> tuple[dict[str, list[Record]], list[Record]]:
    """Every zone with its records, and the records of no zone."""
    sorted_: dict[str, list[Record]] = {zone: [] for zone in zones}
    rest: list[Record] = []
    for record in records:
        holding = [zone for zone in zones if is_below(record.name, zone)]
        (sorted_[max(holding, key=len)] if holding else rest).append(record)
    return sorted_, rest


def prepare(
    zone: str, place: Place, records: Sequence[Record], owner: str, ttl: int, take: Collection[str]
) -> Publication:
    """Read a zone and plan it. What `read` raises passes through."""
    possible = [record for record in records if record.type in place.TYPES]
    unsupported = tuple(record for record in records if record.type not in place.TYPES)
    existing = _read_all(zone, place, possible, owner)
    planned = plan(zone, possible, existing, owner=owner, ttl=ttl, take=take)
    return Publication(place, planned, unsupported)


def _read_all(zone: str, place: Place, records: Sequence[Record], owner: str) -> Sequence[RRset]:
    """The record sets of all desired and all managed names."""
    marker = marker_name(owner, zone)
    names = {marker, *(record.name for record in records)}
    existing = place.read(names)
    owned = read_marker(by_key(existing).get((marker, "TXT")), zone)
    missing = {key.name for key in owned} - names
    return existing if not missing else place.read(names | missing)


def apply(publication: Publication, again: Callable[[], Publication]) -> None:
    """Write the changes and read the zone again. Raises PlanChangedError, and what `write`
    raises."""
    publication.place.write(publication.plan.steps())
    left = again().plan
    if not left.empty:
        names = ", ".join(f"{change.name} {change.type}" for change in left.changes) or "ownership"
        raise PlanChangedError(
            f"{left.zone}: {publication.place.label} accepted the changes but does not return "
            f"them: {names}; run `mailfleet dns publish --dry` in a minute"
        )


def prepare_reverse(place: Place, records: Sequence[Record], take: Collection[str]) -> Publication:
    """Plan PTR records at the provider of the addresses. It has no place for a marker: a name that
    somebody set is theirs until it is taken over; the provider's default counts as unset."""
    existing = place.read([record.name for record in records])
    return Publication(place, plan("reverse DNS", records, existing, owner="", ttl=0, take=take))
