"""Plan the changes of one zone from its desired and existing records. No I/O."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mailfleet.dns.dkim import InvalidKeyRecordError, parse_key
from mailfleet.dns.dmarc import POLICIES, InvalidPolicyRecordError, parse_policy
from mailfleet.dns.publish.ownership import marker_name, marker_values, read_marker
from mailfleet.dns.publish.rrset import RecordKey, RRset, by_key, key_kind
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
class Conflict:
    """A desired record that cannot be published because of records of others."""

    record: Record
    existing: tuple[RRset, ...]


@dataclass(frozen=True)
class Plan:
    """What publishing would do to one zone."""

    zone: str
    changes: tuple[Change, ...] = ()
    """Without the marker's own."""
    conflicts: tuple[Conflict, ...] = ()
    kept: tuple[Record, ...] = ()
    """Records of others that already have the desired meaning; they stay unmanaged."""
    owned_before: frozenset[RecordKey] = frozenset()
    owned_after: frozenset[RecordKey] = frozenset()
    marker: RRset | None = None
    """As it is."""
    owner: str = ""
    """Empty: the provider has no place for a marker."""
    ttl: int = 0

    @property
    def empty(self) -> bool:
        claims = bool(self.owner) and self.owned_before != self.owned_after
        return not self.changes and not claims

    def steps(self) -> list[Change]:
        """The changes in an order that is safe to interrupt: the marker lists a record before it is
        created and until after it is deleted."""
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

    def _marker(self, name: str, keys: Collection[RecordKey]) -> RRset | None:
        if not keys:
            return None
        values = marker_values(keys, self.zone)
        if self.marker and set(self.marker.values) == set(values):
            return self.marker
        return RRset(name, "TXT", values, self.marker.ttl if self.marker else self.ttl)

    def unsafe(self) -> str:
        """Why this plan changes too much to run without --force; empty if it does not."""
        owned = len(self.owned_before)
        if owned < MIN_OWNED:
            return ""
        for action in (Action.UPDATE, Action.DELETE):
            count = sum(change.action is action for change in self.changes)
            if count > owned * MAX_SHARE:
                return (
                    f"{self.zone}: {count} of {owned} managed records to {action}, "
                    f"more than {MAX_SHARE:.0%}"
                )
        return ""


def plan(
    zone: str,
    desired: Iterable[Record],
    existing: Iterable[RRset],
    *,
    owner: str,
    ttl: int,
    take: Collection[str] = (),
) -> Plan:
    """The plan for one zone.

    + desired: merged records of this zone, of types that its provider supports
    + existing: record sets of the zone, at least those of desired and owned names
    + owner: whose marker is read and written
    + take: names whose records are taken over, whoever created them
    """
    rrsets = by_key(existing)
    marker = rrsets.pop((marker_name(owner, zone), "TXT"), None)
    return _Planner(zone, rrsets, marker, owner, ttl, frozenset(take)).plan(desired)


class _Planner:
    def __init__(
        self,
        zone: str,
        existing: dict[tuple[str, str], RRset],
        marker: RRset | None,
        owner: str,
        ttl: int,
        take: frozenset[str],
    ) -> None:
        self._existing, self._take, self._ttl = existing, take, ttl
        self._at: dict[str, list[RRset]] = {}
        for (name, _), rrset in existing.items():
            self._at.setdefault(name, []).append(rrset)
        self._owned = read_marker(marker, zone)
        self._claims = set(self._owned)
        self._base = Plan(zone, owned_before=self._owned, marker=marker, owner=owner, ttl=ttl)
        self._conflicts: list[Conflict] = []
        self._kept: list[Record] = []
        self._goals: dict[RecordKey, tuple[str, ...]] = {}

    def plan(self, desired: Iterable[Record]) -> Plan:
        records = list(desired)
        keep = {key for record in records for key in _by_record_key(record)}
        for key in self._owned - keep:
            self._goals[key] = ()
            self._claims.discard(key)
        for record in records:
            for key, part in _by_record_key(record).items():
                self._plan_record(key, part)
        return replace(
            self._base,
            changes=tuple(self._changes()),
            conflicts=tuple(self._conflicts),
            kept=tuple(self._kept),
            owned_after=frozenset(self._claims),
        )

    def _ours(self, key: RecordKey) -> bool:
        return key in self._owned or key.name in self._take

    def _plan_record(self, key: RecordKey, record: Record) -> None:
        current = key.values_of(self._existing.get((key.name, key.type)))
        if current and not self._ours(key):
            if holds(key.kind, record.values, current):
                self._kept.append(record)
            else:
                self._add_conflict(record, [self._existing[key.name, key.type]])
            return
        foreign = self._obstacles(key)
        if foreign_kept := [rrset for rrset in foreign if not self._removable(rrset)]:
            self._add_conflict(record, foreign_kept)
            return
        for rrset in foreign:
            for other in {RecordKey(key.name, key_kind(rrset.type, one)) for one in rrset.values}:
                self._goals.setdefault(other, ())
                self._claims.discard(other)
        self._goals[key] = record.values
        self._claims.add(key)

    def _add_conflict(self, record: Record, existing: Sequence[RRset]) -> None:
        self._conflicts.append(Conflict(record, tuple(existing)))

    def _obstacles(self, key: RecordKey) -> list[RRset]:
        """Record sets that exclude this one: a name with a CNAME has no other records (RFC 1034
        section 3.6.2)."""
        return [
            rrset
            for rrset in self._at.get(key.name, ())
            if rrset.type != key.type and "CNAME" in (rrset.type, key.type)
        ]

    def _removable(self, rrset: RRset) -> bool:
        return all(
            self._ours(RecordKey(rrset.name, key_kind(rrset.type, value))) for value in rrset.values
        )

    def _changes(self) -> Iterable[Change]:
        by_set: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
        for key, values in self._goals.items():
            by_set.setdefault((key.name, key.type), {})[key.kind] = values
        for (name, kind), goals in by_set.items():
            before = self._existing.get((name, kind))
            others = tuple(
                value
                for value in (before.values if before else ())
                if key_kind(kind, value) not in goals
            )
            values = others + tuple(value for part in goals.values() for value in part)
            # A set has one TTL: it is kept where values of others remain.
            keep = before is not None and (bool(others) or before.ttl is None)
            ttl = before.ttl if before and keep else self._ttl
            after = RRset(name, kind, values, ttl) if values else None
            if not _equal(before, after):
                yield Change(name, kind, before, after)


def _by_record_key(record: Record) -> dict[RecordKey, Record]:
    """The parts of a desired record: the TXT records of a name are split by kind."""
    kinds = dict.fromkeys(key_kind(record.type, value) for value in record.values)
    return {
        RecordKey(record.name, kind): replace(
            record,
            values=tuple(value for value in record.values if key_kind(record.type, value) == kind),
        )
        for kind in kinds
    }


def _equal(before: RRset | None, after: RRset | None) -> bool:
    if before is None or after is None:
        return before is after
    return set(before.values) == set(after.values) and before.ttl == after.ttl


def holds(kind: str, desired: Sequence[str], existing: Sequence[str]) -> bool:
    """Whether records of others have the desired meaning, in any spelling."""
    if set(desired) == set(existing):
        return True
    if not kind.startswith("TXT/") or len(desired) != 1 or len(existing) != 1:
        return False
    ours, theirs = desired[0], existing[0]
    try:
        match kind:
            case "TXT/spf1":
                terms = {term.lower().lstrip("+") for term in _senders(theirs)}
                wanted_terms = {term.lower().lstrip("+") for term in _senders(ours)}
                # A policy without senders must not allow others.
                return wanted_terms <= terms if wanted_terms else not terms
            case "TXT/DMARC1":
                # Any usable policy is accepted if it is as strict or stricter.
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
    """Terms of an SPF policy that a change removes: their senders would no longer pass."""
    if change.type != "TXT" or change.before is None:
        return []
    after = {
        term
        for value in (change.after.values if change.after else ())
        if key_kind("TXT", value) == "TXT/spf1"
        for term in _senders(value)
    }
    return [
        term
        for value in change.before.values
        if key_kind("TXT", value) == "TXT/spf1"
        for term in _senders(value)
        if term not in after
    ]
