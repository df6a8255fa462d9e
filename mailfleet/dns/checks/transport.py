"""Records about transport security: MTA-STS (RFC 8461) and TLS reports (RFC 8460)."""

import re
from collections.abc import Callable

from mailfleet.dns.answer import Lookups, ask
from mailfleet.dns.checks.names import missing_or_unknown
from mailfleet.dns.finding import Finding, Verdict, of_record
from mailfleet.dns.record import Record
from mailfleet.dns.tags import BadTags, parse_tags

_Fault = Callable[[dict[str, str], dict[str, str]], str]
"""Tags seen and wanted -> what is wrong with those seen."""
_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")


def check_sts(record: Record) -> Lookups[list[Finding]]:
    """One record with an id (RFC 8461 section 3.1). Another id than ours says that the policy is
    another one, or that nobody told senders of a new one."""
    return (yield from _one(record, "mta-sts", "v=STSv1", _sts_fault))


def check_tls_reports(record: Record) -> Lookups[list[Finding]]:
    """One record with a place to send reports to (RFC 8460 section 3)."""
    return (yield from _one(record, "tls-rpt", "v=TLSRPTv1", _reports_fault))


def _one(record: Record, check: str, version: str, fault: _Fault) -> Lookups[list[Finding]]:
    answer = yield from ask(record.name, "TXT")
    if failed := missing_or_unknown(record, check, answer):
        return [failed]
    texts = [text for text in answer.values if re.match(rf"{version}\s*(;|\Z)", text)]
    shown = ", ".join(answer.values)
    if len(texts) != 1:
        # Senders act as if there were none (RFC 8461 section 3.1, RFC 8460 section 3).
        seen = f"{len(texts)} records that begin with {version}: {shown}"
        return [of_record(record, check, Verdict.FAIL, seen)]
    try:
        reason = fault(parse_tags(texts[0]), parse_tags(record.values[0]))
    except BadTags as error:
        reason = str(error)
    verdict = Verdict.FAIL if reason else Verdict.OK
    return [of_record(record, check, verdict, f"{shown}: {reason}" if reason else shown)]


def _sts_fault(seen: dict[str, str], wanted: dict[str, str]) -> str:
    if not _ID.match(seen.get("id", "")):
        return "id= is missing or not 1 to 32 letters and digits"
    return "" if seen["id"] == wanted.get("id") else "another id than that of the policy we serve"


def _reports_fault(seen: dict[str, str], wanted: dict[str, str]) -> str:
    places = [place.strip() for place in seen.get("rua", "").split(",")]
    if not all(place.startswith(("mailto:", "https:")) for place in places):
        return "rua= is no list of mailto: and https: addresses"
    return ""
