"""Publishing: every zone read and planned, then written and read again."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mailfleet.dns.publish.ownership import marker_name, read_marker
from mailfleet.dns.publish.plan import Change, Plan, plan
from mailfleet.dns.publish.rrset import RRset, by_key
from mailfleet.dns.record import Record
from mailfleet.dns.zone import is_below


class Place(Protocol):
    """Where the records of a zone are kept."""

    @property
    def TYPES(self) -> frozenset[str]: ...

    @property
    def label(self) -> str: ...

    def read(self, names: Collection[str]) -> Sequence[RRset]: ...

    def write(self, changes: Sequence[Change]) -> None: ...


class PlanChangedError(Exception):
    """What was written is not what stands there afterwards."""


@dataclass(frozen=True)
class Publication:
    """One zone: who serves it, what is to be done, and what cannot be done there."""

    place: Place
    plan: Plan
    unsupported: tuple[Record, ...] = ()
    """Records of a type that the provider does not have."""


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
    seen = _read_all(zone, place, possible, owner)
    made = plan(zone, possible, seen, owner=owner, ttl=ttl, take=take)
    return Publication(place, made, unsupported)


def _read_all(zone: str, place: Place, records: Sequence[Record], owner: str) -> Sequence[RRset]:
    """The sets of all wanted names, and of those that are our own by now."""
    marker = marker_name(owner, zone)
    names = {marker, *(record.name for record in records)}
    seen = place.read(names)
    owned = read_marker(by_key(seen).get((marker, "TXT")), zone)
    missing = {slot.name for slot in owned} - names
    return seen if not missing else place.read(names | missing)


def apply(publication: Publication, again: Callable[[], Publication]) -> None:
    """Write the plan's changes and look again. Raises PlanChangedError; what `write` raises passes
    through."""
    publication.place.write(publication.plan.steps())
    left = again().plan
    if not left.empty:
        names = ", ".join(f"{change.name} {change.type}" for change in left.changes) or "ownership"
        raise PlanChangedError(
            f"{left.zone}: {publication.place.label} took the changes, but does not show them: "
            f"{names}; look at `mailfleet dns publish --dry` in a minute"
        )


def prepare_reverse(place: Place, records: Sequence[Record], take: Collection[str]) -> Publication:
    """Plan PTR records where addresses are rented. There is no room for a marker: a name that
    someone chose is theirs until it is taken over, and the provider's own counts as none."""
    seen = place.read([record.name for record in records])
    return Publication(place, plan("reverse DNS", records, seen, owner="", ttl=0, take=take))
