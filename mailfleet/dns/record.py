"""Desired DNS records: name, type, values, and the reason for them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from mailfleet.dns.text import quoted

RecordType = Literal["A", "AAAA", "CAA", "CNAME", "MX", "PTR", "SRV", "TLSA", "TXT"]


class Severity(StrEnum):
    """`required`: mail or a web page fails without it. `recommended`: receivers trust less."""

    REQUIRED = "required"
    RECOMMENDED = "recommended"


@dataclass(frozen=True)
class Record:
    """All values that one name must have for one type."""

    name: str
    """Fully qualified, lower case, without a trailing dot."""
    type: RecordType
    values: tuple[str, ...]
    """As in a zone file, except that a TXT value is one string of any length, unquoted, and names
    have no trailing dot."""
    why: str
    otherwise: str
    """What happens to mail without it, in one sentence for everyone."""
    severity: Severity
    source: str
    """The RFC section or manual page that asks for it."""

    @property
    def lines(self) -> list[str]:
        """The values as a zone file has them."""
        return [presentation(self.type, value) for value in self.values]


class ConflictingRecordsError(Exception):
    """Two components want what one name cannot have."""


def presentation(kind: str, value: str) -> str:
    """A value as a zone file has it: absolute names, quoted strings of at most 255 bytes."""
    if kind == "TXT":
        return " ".join(_strings(value))
    # The root, which a null MX names (RFC 7505), is a dot already.
    return f"{value.removesuffix('.')}." if kind in ("CNAME", "MX", "PTR", "SRV") else value


def _strings(text: str) -> list[str]:
    """Character strings of one TXT record, escaped (RFC 1035 sections 3.3.14 and 5.1). Receivers
    of SPF and DKIM join them without a space (RFC 7208 section 3.3, RFC 6376 section 3.6.2.2)."""
    raw = text.encode("latin-1")
    parts = [raw[start : start + 255] for start in range(0, len(raw), 255)] or [b""]
    return [quoted(part) for part in parts]


def merge(records: Iterable[Record]) -> list[Record]:
    """One record for each name and type, in order of first mention: values joined, the stricter
    severity kept, all SPF policies of a name made one. Raises ConflictingRecordsError."""
    merged: dict[tuple[str, str], Record] = {}
    for record in records:
        key = record.name, record.type
        merged[key] = _joined(merged[key], record) if key in merged else record
    aliases = {name for name, kind in merged if kind == "CNAME"}
    for name, kind in merged:
        # RFC 1034 section 3.6.2: no other data where there is a CNAME.
        if name in aliases and kind != "CNAME":
            raise ConflictingRecordsError(f"{name}: wanted both as a CNAME and with {kind} records")
    return list(merged.values())


def _joined(one: Record, other: Record) -> Record:
    values = tuple(dict.fromkeys((*one.values, *other.values)))
    if one.type == "CNAME" and len(values) > 1:
        raise ConflictingRecordsError(f"{one.name}: wanted as a CNAME of {' and of '.join(values)}")
    if one.type == "TXT":
        policies = [value for value in values if _is_spf(value)]
        rest = tuple(value for value in values if not _is_spf(value))
        values = (merge_spf(policies), *rest) if policies else rest
        if len(rest) > 1 and _is_alone(one.name):
            raise ConflictingRecordsError(f"{one.name}: wanted as {' and as '.join(rest)}")
    if one.type == "MX" and "0 ." in values and len(values) > 1:
        raise ConflictingRecordsError(
            f"{one.name}: takes mail, and is in dns_unused_domains: take it out there"
        )
    return replace(
        one,
        values=values,
        why="; ".join(dict.fromkeys((one.why, other.why))),
        otherwise=one.otherwise if one.severity is Severity.REQUIRED else other.otherwise,
        severity=min(one.severity, other.severity, key=list(Severity).index),
        source="; ".join(dict.fromkeys((one.source, other.source))),
    )


def _is_alone(name: str) -> bool:
    """Receivers of DMARC, DKIM, MTA-STS and TLS reports take one record at a name, or none (RFC
    9989 section 4.10, RFC 6376 section 3.6.2.2, RFC 8461 section 3.1, RFC 8460 section 3)."""
    return name.startswith(("_dmarc.", "_mta-sts.", "_smtp._tls.")) or "._domainkey." in name


def _is_spf(value: str) -> bool:
    return value == "v=spf1" or value.startswith("v=spf1 ")


def merge_spf(policies: Iterable[str]) -> str:
    """One SPF policy that lets everyone send whom any of them lets send. A name may have only one
    (RFC 7208 section 3.2). Nothing is flattened."""
    terms: dict[str, None] = {}
    verdicts = []
    for policy in policies:
        for term in policy.split()[1:]:
            if term.lstrip("+-~?") == "all":
                verdicts.append(term)
            else:
                terms[term] = None
    # The mildest verdict: no sender gets worse off by the merge.
    mildest = min(verdicts, key=["+all", "all", "?all", "~all", "-all"].index, default=None)
    return " ".join(["v=spf1", *terms, *([mildest] if mildest else [])])
