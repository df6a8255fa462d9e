"""TXT records: SPF, DKIM and DMARC, each by its meaning."""

from mailfleet.dns.answer import Lookups
from mailfleet.dns.checks.dkim import check_key
from mailfleet.dns.checks.dmarc import check_policy
from mailfleet.dns.checks.spf import check_spf
from mailfleet.dns.checks.wanted import Wanted
from mailfleet.dns.finding import Finding
from mailfleet.dns.record import Record


def check_text(record: Record, wanted: Wanted) -> Lookups[list[Finding]]:
    """The check for what the desired text is."""
    if record.name.startswith("_dmarc."):
        return check_policy(record, wanted)
    if "._domainkey." in record.name:
        return check_key(record)
    return check_spf(record, wanted)
