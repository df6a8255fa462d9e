"""BIMI: a domain's logo beside its mail (draft-brand-indicators-for-message-identification).

The TXT record default._bimi.DOMAIN has the URL of a logo (l=), an SVG Tiny PS file, and the URL of
a certificate (a=) that proves the right to use it. Mailbox providers show the logo beside mail
that passes DMARC, if the domain's DMARC policy is quarantine or reject. Gmail and Apple require
the certificate (VMC). Without BIMI mail is delivered as before, without a logo."""

import re
from collections.abc import Iterator

from mailfleet.dns.checks.names import missing_or_unknown
from mailfleet.dns.dmarc import Discovery, discover
from mailfleet.dns.finding import Finding, Verdict, of_record
from mailfleet.dns.record import Record
from mailfleet.dns.resolve.answer import Answer, Lookups, Status, probe, query
from mailfleet.dns.tags import InvalidTagsError, parse_tags

_SOURCE = "draft-brand-indicators-for-message-identification section 4"
_EFFECT = "Mail arrives, but without the logo."
_MAX_BYTES = 32768
"""What Google and others take."""


def check_bimi(record: Record) -> Lookups[list[Finding]]:
    """One assertion record as wanted, a DMARC policy that is enforced, and a logo in SVG Tiny
    PS."""
    check = "bimi"
    answer = yield from query(record.name, "TXT")
    if failed := missing_or_unknown(record, check, answer):
        return [failed]
    texts = [text for text in answer.values if text.startswith("v=BIMI1")]
    shown = ", ".join(answer.values)
    if len(texts) != 1:
        return [_fault(record, f"{len(texts)} records that begin with v=BIMI1: {shown}")]
    try:
        tags, ours = parse_tags(texts[0]), parse_tags(record.values[0])
    except InvalidTagsError as error:
        return [_fault(record, f"{shown}: {error}")]
    if (tags.get("l"), tags.get("a", "")) != (ours.get("l"), ours.get("a", "")):
        return [_fault(record, shown)]
    policy = yield from discover(record.name.partition("._bimi.")[2])
    faults = [*_enforced(policy)]
    logo = yield from probe(tags["l"], "HTTPS")
    faults += _logo(logo)
    if not tags.get("a"):
        faults.append("no a=: Gmail and Apple show logos with a certificate (VMC) only")
    return [_fault(record, fault, Verdict.WARN) for fault in faults] or [
        of_record(record, check, Verdict.OK, shown)
    ]


def _enforced(discovery: Discovery) -> Iterator[str]:
    policy = discovery.record
    if policy is None or policy.policy == "none" or policy.testing:
        yield "DMARC is not enforced: p=quarantine or p=reject is asked for"
    elif policy.subdomains == "none":
        yield "DMARC is not enforced below the domain: sp=none"


def _logo(answer: Answer) -> Iterator[str]:
    if answer.status is not Status.OK:
        yield f"{answer.question.name}: {', '.join(answer.values) or answer.status.value}"
        return
    kind, body = answer.values
    if kind.partition(";")[0].strip().lower() != "image/svg+xml":
        yield f"the logo's content type is {kind or 'missing'}, image/svg+xml is wanted"
    if len(body) > _MAX_BYTES:
        yield f"the logo has {len(body)} bytes, {_MAX_BYTES} are allowed"
    if not re.search(r"baseProfile\s*=\s*[\"']tiny-ps[\"']", body):
        yield "the logo is not SVG Tiny PS (baseProfile)"
    if re.search(r"<script|<image|javascript:", body, re.IGNORECASE):
        yield "the logo holds a script or an image, which SVG Tiny PS forbids"


def _fault(record: Record, found: str, verdict: Verdict = Verdict.FAIL) -> Finding:
    remedy = None if verdict is Verdict.FAIL else ()
    return of_record(record, "bimi", verdict, found, effect=_EFFECT, remedy=remedy, source=_SOURCE)
