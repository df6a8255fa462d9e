"""Checks: what DNS says, held against what the fleet needs. Each is a generator of questions that
returns findings; none touches the network."""

from collections.abc import Sequence

from mailfleet.dns.answer import Lookups
from mailfleet.dns.checks.blocklist import check_blocklist
from mailfleet.dns.checks.caa import check_caa
from mailfleet.dns.checks.names import (
    check_addresses,
    check_alias,
    check_mx,
    check_reverse,
    check_values,
)
from mailfleet.dns.checks.text import check_text
from mailfleet.dns.checks.wanted import Wanted
from mailfleet.dns.finding import Finding
from mailfleet.dns.record import Record

__all__ = ["checks_of"]


def checks_of(
    records: Sequence[Record], blocklists: Sequence[str] = ()
) -> list[Lookups[list[Finding]]]:
    """One check for each desired record, and one for each sending address and blocklist, to be run
    side by side."""
    wanted = Wanted(records)
    return [
        *(_check(record, wanted) for record in records),
        *(check_blocklist(sender, zone) for sender in wanted.senders for zone in blocklists),
    ]


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
