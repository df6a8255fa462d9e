"""Check TXT records by their meaning: SPF, DKIM, DMARC and others."""

from mailfleet.dns.checks.bimi import check_bimi
from mailfleet.dns.checks.desired import DesiredRecords
from mailfleet.dns.checks.dkim import check_key
from mailfleet.dns.checks.dmarc import check_policy
from mailfleet.dns.checks.names import missing_or_unknown
from mailfleet.dns.checks.spf import check_spf
from mailfleet.dns.checks.transport import check_sts, check_tls_reports
from mailfleet.dns.finding import Finding, Verdict, of_record
from mailfleet.dns.record import Record
from mailfleet.dns.resolve.answer import Lookups, query
from mailfleet.dns.spf import is_policy


def check_text(record: Record, desired: DesiredRecords) -> Lookups[list[Finding]]:
    """The check for what the desired text is."""
    if record.name.startswith("_dmarc."):
        return check_policy(record, desired)
    if "._domainkey." in record.name:
        return check_key(record)
    if "._bimi." in record.name:
        return check_bimi(record)
    if record.name.startswith("_mta-sts."):
        return check_sts(record)
    if record.name.startswith("_smtp._tls."):
        return check_tls_reports(record)
    if all(map(is_policy, record.values)):
        return check_spf(record, desired)
    return check_holds(record)


def check_holds(record: Record) -> Lookups[list[Finding]]:
    """All desired texts are published; others at the name are allowed."""
    answer = yield from query(record.name, "TXT")
    if failed := missing_or_unknown(record, "text", answer):
        return [failed]
    held = set(record.values) <= set(answer.values)
    shown = ", ".join(answer.values)
    return [of_record(record, "text", Verdict.OK if held else Verdict.FAIL, shown)]
