"""What publishing would change in one zone: pure, from what is wanted and what is there."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mailfleet.dns.dkim import InvalidKeyRecordError, parse_key
from mailfleet.dns.dmarc import POLICIES, InvalidPolicyRecordError, parse_policy
from mailfleet.dns.publish.ownership import marker_name, marker_values, read_marker
from mailfleet.dns.publish.rrset import RRset, Slot, by_key, slot_kind
from mailfleet.dns.record import Record

# Those of octoDNS (octodns/provider/plan.py).
MAX_SHARE = 0.3
MIN_OWNED = 10


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class Change:
    """One record set before and after; None where there is none."""

    name: str
    type: str
    before: RRset | None
    after: RRset | None

    @property
    def action(self) -> Action:
        if self.before is None:
            return Action.CREATE
        return Action.DELETE if self.after is None else Action.UPDATE


@dataclass(frozen=True)
class Blocked:
    """A wanted record that cannot be published, because others' records are in its place."""

    record: Record
    there: tuple[RRset, ...]


@dataclass(frozen=True)
class Plan:
    """What publishing would do to one zone."""

    zone: str
    changes: tuple[Change, ...] = ()
    """Without the marker's own."""
    blocked: tuple[Blocked, ...] = ()
    kept: tuple[Record, ...] = ()
    """Others' records that already do what is wanted, and stay theirs."""
    owned_before: frozenset[Slot] = frozenset()
    owned_after: frozenset[Slot] = frozenset()
    marker: RRset | None = None
    """As it is."""
    owner: str = ""
    """Empty: there is no room for a marker."""
    ttl: int = 0

    @property
    def empty(self) -> bool:
        claims = bool(self.owner) and self.owned_before != self.owned_after
        return not self.changes and not claims

    def steps(self) -> list[Change]:
        """The changes in an order that may stop anywhere: what is about to be made is called our
        own before, and what is deleted only afterwards no longer."""
        if self.empty or not self.owner:
            return list(self.changes)
        name = marker_name(self.owner, self.zone)
        between = self._marker(name, self.owned_before | self.owned_after)
        end = self._marker(name, self.owned_after)
        deletes = [change for change in self.changes if change.action is Action.DELETE]
        others = [change for change in self.changes if change.action is not Action.DELETE]
        steps = [Change(name, "TXT", self.marker, between)] if between != self.marker else []
        # A name that becomes a CNAME, or stops being one, must be empty before.
        steps += [*deletes, *others]
        return steps + ([Change(name, "TXT", between, end)] if between != end else [])

    def _marker(self, name: str, slots: Collection[Slot]) -> RRset | None:
        if not slots:
            return None
        values = marker_values(slots, self.zone)
        if self.marker and set(self.marker.values) == set(values):
            return self.marker
        return RRset(name, "TXT", values, self.marker.ttl if self.marker else self.ttl)

    def unsafe(self) -> str:
        """Why this plan changes more than a mistake should be able to; empty if it does not."""
        owned = len(self.owned_before)
        if owned < MIN_OWNED:
            return ""
        for action in (Action.UPDATE, Action.DELETE):
            count = sum(change.action is action for change in self.changes)
            if count > owned * MAX_SHARE:
                return (
                    f"{self.zone}: {count} of {owned} own records to {action}, "
                    f"more than {MAX_SHARE:.0%}"
                )
        return ""


def plan(
    zone: str,
    wanted: Iterable[Record],
    seen: Iterable[RRset],
    *,
    owner: str,
    ttl: int,
    take: Collection[str] = (),
) -> Plan:
    """The plan for one zone.

    + wanted: merged records of this zone, of types that its provider has
    + seen: the record sets that are there, at least those of wanted and owned names
    + owner: whose marker is read and written
    + take: names whose records become our own, whoever made them
    """
    there = by_key(seen)
    marker = there.pop((marker_name(owner, zone), "TXT"), None)
    return _Planner(zone, there, marker, owner, ttl, frozenset(take)).plan(wanted)


class _Planner:
    def __init__(
        self,
        zone: str,
        there: dict[tuple[str, str], RRset],
        marker: RRset | None,
        owner: str,
        ttl: int,
        take: frozenset[str],
    ) -> None:
        self._there, self._take, self._ttl = there, take, ttl
        self._at: dict[str, list[RRset]] = {}
        for (name, _), rrset in there.items():
            self._at.setdefault(name, []).append(rrset)
        self._owned = read_marker(marker, zone)
        self._claims = set(self._owned)
        self._base = Plan(zone, owned_before=self._owned, marker=marker, owner=owner, ttl=ttl)
        self._blocked: list[Blocked] = []
        self._kept: list[Record] = []
        self._goals: dict[Slot, tuple[str, ...]] = {}

    def plan(self, wanted: Iterable[Record]) -> Plan:
        records = list(wanted)
        keep = {slot for record in records for slot in _slots(record)}
        for slot in self._owned - keep:
            self._goals[slot] = ()
            self._claims.discard(slot)
        for record in records:
            for slot, part in _slots(record).items():
                self._want(slot, part)
        return replace(
            self._base,
            changes=tuple(self._changes()),
            blocked=tuple(self._blocked),
            kept=tuple(self._kept),
            owned_after=frozenset(self._claims),
        )

    def _ours(self, slot: Slot) -> bool:
        return slot in self._owned or slot.name in self._take

    def _want(self, slot: Slot, record: Record) -> None:
        current = slot.values_of(self._there.get((slot.name, slot.type)))
        if current and not self._ours(slot):
            if holds(slot.kind, record.values, current):
                self._kept.append(record)
            else:
                self._block(record, [self._there[slot.name, slot.type]])
            return
        foreign = self._obstacles(slot)
        if strangers := [rrset for rrset in foreign if not self._removable(rrset)]:
            self._block(record, strangers)
            return
        for rrset in foreign:
            for other in {Slot(slot.name, slot_kind(rrset.type, one)) for one in rrset.values}:
                self._goals.setdefault(other, ())
                self._claims.discard(other)
        self._goals[slot] = record.values
        self._claims.add(slot)

    def _block(self, record: Record, there: Sequence[RRset]) -> None:
        self._blocked.append(Blocked(record, tuple(there)))

    def _obstacles(self, slot: Slot) -> list[RRset]:
        """RFC 1034 section 3.6.2: nothing stands beside a CNAME."""
        return [
            rrset
            for rrset in self._at.get(slot.name, ())
            if rrset.type != slot.type and "CNAME" in (rrset.type, slot.type)
        ]

    def _removable(self, rrset: RRset) -> bool:
        return all(
            self._ours(Slot(rrset.name, slot_kind(rrset.type, value))) for value in rrset.values
        )

    def _changes(self) -> Iterable[Change]:
        by_set: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
        for slot, values in self._goals.items():
            by_set.setdefault((slot.name, slot.type), {})[slot.kind] = values
        for (name, kind), goals in by_set.items():
            before = self._there.get((name, kind))
            others = tuple(
                value
                for value in (before.values if before else ())
                if slot_kind(kind, value) not in goals
            )
            values = others + tuple(value for part in goals.values() for value in part)
            # The TTL is one for the whole set: where others have a part in it, it stays theirs.
            keep = before is not None and (bool(others) or before.ttl is None)
            ttl = before.ttl if before and keep else self._ttl
            after = RRset(name, kind, values, ttl) if values else None
            if not _equal(before, after):
                yield Change(name, kind, before, after)


def _slots(record: Record) -> dict[Slot, Record]:
    """A wanted record in slots: of TXT records of one name each kind is one of its own."""
    kinds = dict.fromkeys(slot_kind(record.type, value) for value in record.values)
    return {
        Slot(record.name, kind): replace(
            record,
            values=tuple(value for value in record.values if slot_kind(record.type, value) == kind),
        )
        for kind in kinds
    }


def _equal(before: RRset | None, after: RRset | None) -> bool:
    if before is None or after is None:
        return before is after
    return set(before.values) == set(after.values) and before.ttl == after.ttl


def holds(kind: str, wanted: Sequence[str], seen: Sequence[str]) -> bool:
    """Whether others' records do what is wanted, in whatever spelling."""
    if set(wanted) == set(seen):
        return True
    if not kind.startswith("TXT/") or len(wanted) != 1 or len(seen) != 1:
        return False
    ours, theirs = wanted[0], seen[0]
    try:
        match kind:
            case "TXT/spf1":
                terms = {term.lower().lstrip("+") for term in _senders(theirs)}
                wanted_terms = {term.lower().lstrip("+") for term in _senders(ours)}
                # Who wants nobody to send wants nobody else's senders either.
                return wanted_terms <= terms if wanted_terms else not terms
            case "TXT/DMARC1":
                # Any policy that receivers can use will do, a stricter one all the more.
                strict = POLICIES.index
                return strict(parse_policy(theirs).policy) >= strict(parse_policy(ours).policy)
            case "TXT/DKIM1":
                return parse_key(ours).number == parse_key(theirs).number
    except (InvalidKeyRecordError, InvalidPolicyRecordError):
        return False
    return False


def _senders(policy: str) -> list[str]:
    return [term for term in policy.split()[1:] if term.lstrip("+-~?").lower() != "all"]


def dropped_senders(change: Change) -> list[str]:
    """Terms of an SPF policy that a change takes out: senders that would no longer pass."""
    if change.type != "TXT" or change.before is None:
        return []
    after = {
        term
        for value in (change.after.values if change.after else ())
        if slot_kind("TXT", value) == "TXT/spf1"
        for term in _senders(value)
    }
    return [
        term
        for value in change.before.values
        if slot_kind("TXT", value) == "TXT/spf1"
        for term in _senders(value)
        if term not in after
    ]
