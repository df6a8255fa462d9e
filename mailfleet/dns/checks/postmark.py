"""Check the three statuses that Postmark shows for a domain, from DNS alone."""

from mailfleet.dns.checks.desired import DesiredRecords
from mailfleet.dns.dkim import InvalidKeyRecordError, parse_key
from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Severity
from mailfleet.dns.resolve.answer import Lookups, query, query_all

INCLUDE, RETURN_PATH = "spf.mtasv.net", "pm.mtasv.net"
_SOURCE = 'Postmark, "Sender Signatures": SPF, DKIM, Return-Path'


def check_postmark(domain: str, desired: DesiredRecords) -> Lookups[list[Finding]]:
    """SPF names Postmark, its DKIM key is there, and a name of the domain takes its bounces."""
    texts = yield from query(domain, "TXT")
    names = desired.aliases_of(domain, RETURN_PATH) or [f"pm-bounces.{domain}"]
    paths = yield from query_all(*((name, "CNAME") for name in names))
    selectors = desired.selectors_of(domain, "pm")
    keys = yield from query_all(*((name, "TXT") for name in selectors))
    terms = {term.lower().lstrip("+") for text in texts.values for term in text.split()}
    return [
        _status(
            domain,
            "postmark.spf",
            f"include:{INCLUDE}" in terms,
            f'{domain}. IN TXT "v=spf1 include:{INCLUDE} ~all", made one with the present policy',
        ),
        _status(
            domain,
            "postmark.dkim",
            any(_is_key(text) for answer in keys for text in answer.values),
            "the TXT record that Postmark shows, in dns_senders as dkim={'<date>pm': '...'}",
        ),
        _status(
            domain,
            "postmark.return-path",
            any(answer.values == (RETURN_PATH,) for answer in paths),
            f"{names[0]}. IN CNAME {RETURN_PATH}.",
        ),
    ]


def _is_key(text: str) -> bool:
    try:
        parse_key(text)
    except InvalidKeyRecordError:
        return False
    return True


def _status(domain: str, check: str, verified: bool, expected: str) -> Finding:
    return Finding(
        check,
        domain,
        "TXT",
        Verdict.OK if verified else Verdict.WARN,
        Severity.RECOMMENDED,
        "Verified" if verified else "Postmark will not show it as verified",
        expected,
        _SOURCE,
        "" if verified else "Postmark holds this mail back, or it is not aligned for DMARC.",
    )
