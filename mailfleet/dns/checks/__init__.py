"""Checks: what DNS says, held against what the fleet needs. Each is a generator of questions that
returns findings; none touches the network."""

from collections.abc import Iterator, Sequence

from mailfleet.dns.checks.blocklist import check_blocklist
from mailfleet.dns.checks.caa import check_caa
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
from mailfleet.dns.checks.wanted import Wanted, sender_of
from mailfleet.dns.finding import Finding
from mailfleet.dns.record import Record
from mailfleet.dns.resolve.answer import Lookups

__all__ = ["checks_of", "mail_domains"]


def checks_of(
    records: Sequence[Record],
    blocklists: Sequence[str] = (),
    own: Sequence[Record] | None = None,
) -> Iterator[Lookups[list[Finding]]]:
    """One check for each desired record, and those of each mail domain and of each sending address
    and blocklist, to be run side by side. With `own` only those of these records, held against all
    of them. What asks the same comes close together."""
    wanted = Wanted(records)
    own = records if own is None else own
    domains = mail_domains(own)
    for record in own:
        yield _check(record, wanted)
        if record.type == "PTR":
            yield from (check_blocklist(sender_of(record), zone) for zone in blocklists)
        if domains.get(record.name) == record.type:
            yield check_dnssec(record.name, record.type)
        if record.type == "MX" and record.values != ("0 .",):
            yield check_policy_file(record)
            yield check_dane(record)
    yield from (check_postmark(domain, wanted) for domain in _postmark_domains(own))


def mail_domains(records: Sequence[Record]) -> dict[str, str]:
    """Domains of addresses, each with the type of a record that is asked for anyway."""
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


def _check(record: Record, wanted: Wanted) -> Lookups[list[Finding]]:
    match record.type:
        case "A" | "AAAA":
            return check_addresses(record, wanted)
        case "CNAME":
            return check_alias(record)
        case "MX":
            return check_mx(record)
        case "PTR":
            return check_reverse(record)
        case "TXT":
            return check_text(record, wanted)
        case "CAA":
            return check_caa(record)
        case _:
            return check_values(record)
