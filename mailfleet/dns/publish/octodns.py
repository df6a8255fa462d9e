"""Desired records as octoDNS reads them: one YAML document for each zone.

Format: https://octodns.readthedocs.io/en/latest/records.html"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from mailfleet.dns.record import Record, presentation
from mailfleet.dns.zone import TTL, by_origin, relative


def octodns_zones(
    records: Iterable[Record], origins: Sequence[str] = (), ttl: int = TTL
) -> dict[str, str]:
    """Zone -> the content of octoDNS's file for it, `<zone>.yaml`."""
    return {origin: _zone(origin, members, ttl) for origin, members in by_origin(records, origins)}


def _zone(origin: str, records: Iterable[Record], ttl: int) -> str:
    names: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        name = relative(record.name, origin)
        values = [_value(record.type, value) for value in record.values]
        content = {"ttl": ttl, "type": record.type, "values": values}
        if record.type == "CNAME":
            content = {"ttl": ttl, "type": record.type, "value": values[0]}
        names.setdefault("" if name == "@" else name, []).append(content)
    ordered = {name: sorted(sets, key=lambda one: str(one["type"])) for name, sets in names.items()}
    plain = {
        name: ordered[name][0] if len(ordered[name]) == 1 else ordered[name]
        for name in sorted(ordered, key=_natural)
    }
    return yaml.dump(plain, Dumper=_Dumper, width=10**6, sort_keys=False)


def _natural(name: str) -> list[tuple[bool, int | str]]:
    """octoDNS refuses keys in another order: numbers within names count as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(not part.isdigit(), int(part) if part.isdigit() else part) for part in parts]


class _Dumper(yaml.SafeDumper):
    """No anchors for values that stand there twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _value(kind: str, value: str) -> Any:
    words = value.split(" ")
    match kind:
        case "TXT":
            # octoDNS splits long texts itself, and takes a bare semicolon for a mistake.
            return value.replace(";", "\\;")
        case "MX":
            line = presentation(kind, value).split(" ")
            return {"exchange": line[1], "preference": int(line[0])}
        case "SRV":
            priority, weight, port = map(int, words[:3])
            target = presentation(kind, value).split(" ")[3]
            return {"port": port, "priority": priority, "target": target, "weight": weight}
        case "CAA":
            flags, tag, text = value.split(" ", 2)
            return {"flags": int(flags), "tag": tag, "value": text.strip('"')}
        case "TLSA":
            usage, selector, matching = map(int, words[:3])
            return {
                "certificate_association_data": words[3],
                "certificate_usage": usage,
                "matching_type": matching,
                "selector": selector,
            }
        case _:
            return presentation(kind, value)
