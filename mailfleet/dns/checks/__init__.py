"""Checks of DNS records. Each check is a generator that yields questions and returns findings; it
performs no I/O."""

from collections.abc import Container, Iterator, Sequence
from itertools import chain

from mailfleet.dns.checks.blocklist import check_blocklist
from mailfleet.dns.checks.caa import check_caa
from mailfleet.dns.checks.desired import DesiredRecords, sender_of
from mailfleet.dns.checks.dnssec import check_dane, check_dnssec
from mailfleet.dns.checks.names import (
    check_addresses,
    check_alias,
    check_mx,
    check_reverse,
    check_values,
)
from mailfleet.dns.checks.policy import check_policy_file
from mailfleet.dns.checks.postmark import INCLUDE, RETURN_PATH, check_postmark
from mailfleet.dns.checks.text import check_text
from mailfleet.dns.finding import Finding
from mailfleet.dns.record import Record
from mailfleet.dns.resolve.answer import Lookups

__all__ = ["check_record", "checks_of"]


def checks_of(
    records: Sequence[Record], blocklists: Sequence[str] = ()
) -> Iterator[Lookups[list[Finding]]]:
    """One check for each desired record, and those of each mail domain and of each sending address
    and blocklist. The checks of a domain follow each other, because they query the same names and
    the resolver remembers recent answers only."""
    desired = DesiredRecords(records)
    domains = _mail_domains(records)
    for record in _by_domain(records, domains):
        yield check_record(record, desired)
        if record.type == "PTR":
            yield from (check_blocklist(sender_of(record).address, zone) for zone in blocklists)
        if domains.get(record.name) == record.type:
            yield check_dnssec(record.name, record.type)
        if record.type == "MX" and record.values != ("0 .",):
            yield check_policy_file(record)
            yield check_dane(record)
    yield from (check_postmark(domain, desired) for domain in _postmark_domains(records))


def _by_domain(records: Sequence[Record], domains: Container[str]) -> Iterator[Record]:
    """The records, those of a domain together."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(_domain_of(record.name, domains), []).append(record)
    return chain.from_iterable(groups.values())


def _domain_of(name: str, domains: Container[str]) -> str:
    """The closest mail domain at or above a name, else the name's last two labels."""
    labels = name.split(".")
    parents = (".".join(labels[start:]) for start in range(len(labels)))
    return next((parent for parent in parents if parent in domains), ".".join(labels[-2:]))


def _mail_domains(records: Sequence[Record]) -> dict[str, str]:
    """Domain of mail addresses -> the type of one of its records, which is queried anyway."""
    policies = [one for one in records if one.type == "TXT" and one.values[0].startswith("v=spf1")]
    return {
        one.name: one.type for one in (*(one for one in records if one.type == "MX"), *policies)
    }


def _postmark_domains(records: Sequence[Record]) -> list[str]:
    includes = [
        one.name
        for one in records
        if one.type == "TXT" and any(f"include:{INCLUDE}" in value for value in one.values)
    ]
    paths = [
        one.name.partition(".")[2]
        for one in records
        if one.type == "CNAME" and one.values == (RETURN_PATH,)
    ]
    return list(dict.fromkeys((*includes, *paths)))


def check_record(record: Record, desired: DesiredRecords) -> Lookups[list[Finding]]:
    """The check of one record's values."""
    match record.type:
        case "A" | "AAAA":
            return check_addresses(record, desired)
        case "CNAME":
            return check_alias(record)
        case "MX":
            return check_mx(record)
        case "PTR":
            return check_reverse(record)
        case "TXT":
            return check_text(record, desired)
        case "CAA":
            return check_caa(record)
        case _:
            return check_values(record)
