"""Desired records as zone files."""

from collections.abc import Collection, Iterable, Sequence
from ipaddress import ip_address

from mailfleet.dns.record import Record, Severity

TTL = 3600


def origins_of(names: Collection[str], given: Sequence[str] = ()) -> dict[str, str]:
    """Name -> the zone to show it in: the longest given one that holds it, else the longest parent
    common to all names that share their last two labels. Reverse names go by /24 or /64."""
    grouped: dict[str, list[str]] = {}
    origins = {}
    for name in names:
        holding = [origin for origin in given if is_below(name, origin)]
        if holding:
            origins[name] = max(holding, key=len)
        elif name.endswith(".in-addr.arpa"):
            origins[name] = name.split(".", 1)[1]
        elif name.endswith(".ip6.arpa"):
            origins[name] = ".".join(name.split(".")[16:])
        else:
            grouped.setdefault(".".join(name.split(".")[-2:]), []).append(name)
    for members in grouped.values():
        origin = _common_parent(members)
        origins |= dict.fromkeys(members, origin)
    return origins


def is_below(name: str, origin: str) -> bool:
    """Whether a name is in a zone, as its apex or below."""
    return name == origin or name.endswith(f".{origin}")


def relative(name: str, zone: str) -> str:
    """A name as providers and zone files write it: `@` for the zone itself."""
    return "@" if name == zone else name.removesuffix(f".{zone}")


def absolute(name: str, zone: str) -> str:
    """The inverse of `relative`."""
    return zone if name in ("@", "") else f"{name}.{zone}"


def _common_parent(names: Sequence[str]) -> str:
    reversed_labels = [list(reversed(name.split("."))) for name in names]
    common = []
    for labels in zip(*reversed_labels, strict=False):
        if len(set(labels)) > 1:
            break
        common.append(labels[0])
    return ".".join(reversed(common))


def by_origin(
    records: Iterable[Record], origins: Sequence[str] = ()
) -> Iterable[tuple[str, list[Record]]]:
    """Records by the zone to show them in, see `origins_of`."""
    records = list(records)
    origin_of = origins_of({record.name for record in records}, origins)
    by_zone: dict[str, list[Record]] = {}
    for record in records:
        by_zone.setdefault(origin_of[record.name], []).append(record)
    return by_zone.items()


def zone_texts(
    records: Iterable[Record], origins: Sequence[str] = (), ttl: int = TTL
) -> dict[str, str]:
    """Zone -> RFC 1035 master file snippet, without SOA and NS."""
    return {
        origin: _snippet(origin, members, ttl) for origin, members in by_origin(records, origins)
    }


def _snippet(origin: str, records: Iterable[Record], ttl: int) -> str:
    lines = [f"$ORIGIN {origin}.", f"$TTL {ttl}"]
    for record in records:
        note = "" if record.severity is Severity.REQUIRED else " (recommended)"
        lines.append(f"; {record.why}{note}{_reverse_note(record)}")
        name = relative(record.name, origin)
        lines += [f"{name} IN {record.type} {line}" for line in record.lines]
    return "\n".join(lines) + "\n"


def _reverse_note(record: Record) -> str:
    return f"; address {address_of(record.name)}" if record.type == "PTR" else ""


def address_of(reverse_name: str) -> str:
    """The address of a name under in-addr.arpa or ip6.arpa (RFC 1035 section 3.5, RFC 3596)."""
    labels = reverse_name.split(".")
    if labels[-2] == "in-addr":
        return ".".join(reversed(labels[:4]))
    digits = "".join(reversed(labels[:32]))
    return str(ip_address(":".join(digits[at : at + 4] for at in range(0, 32, 4))))
