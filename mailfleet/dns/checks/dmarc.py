"""Check the DMARC policy, its report addresses and the alignment of envelope senders."""

from urllib.parse import unquote

from mailfleet.dns.checks.desired import DesiredRecords
from mailfleet.dns.dmarc import (
    POLICIES,
    Discovery,
    PolicyRecord,
    aligned,
    discover,
    is_policy_record,
    is_report_uri,
    parse_policy,
)
from mailfleet.dns.finding import Finding, Verdict, of_record
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.resolve.answer import Lookups, Status, query


def check_policy(record: Record, desired: DesiredRecords) -> Lookups[list[Finding]]:
    """Any policy that receivers can use will do: the domain's own, or one inherited."""
    check = "dmarc"
    domain = record.name.removeprefix("_dmarc.")
    discovery = yield from discover(domain)
    if discovery.failed:
        effect = "Unknown: the DNS servers do not answer. As long as they do not, mail is deferred."
        return [
            of_record(record, check, Verdict.UNKNOWN, discovery.failed, effect=effect, remedy=())
        ]
    if discovery.ignored:
        shown = f"receivers ignore it: {', '.join(discovery.ignored)}"
        return [of_record(record, check, Verdict.FAIL, shown)]
    if discovery.record is None:
        return [of_record(record, check, Verdict.FAIL, "no policy, nor one of a parent domain")]
    policy = discovery.record.for_domain(below=discovery.where != domain)
    shown = f"p={policy}" + ("" if discovery.where == domain else f", from {discovery.where}")
    wanted_policy = parse_policy(record.values[0])
    if POLICIES.index(policy) < POLICIES.index(wanted_policy.policy):
        effect = "Receivers let more of what others send in this domain's name pass."
        return [of_record(record, "dmarc.weaker", Verdict.WARN, shown, effect=effect)]
    reports = yield from _reports(record, discovery, discovery.record)
    alignment = yield from _alignment(record, discovery, desired.return_paths(domain))
    return [
        of_record(record, check, Verdict.OK, shown),
        *_remarks(record, policy, discovery.record),
        *reports,
        *alignment,
    ]


def _remarks(record: Record, policy: str, published: PolicyRecord) -> list[Finding]:
    remarks = {
        "p=none": (policy == "none" and not published.testing)
        and "Others can use this domain's name. Set p=quarantine when reports show no failures.",
        "no rua": not published.reports
        and "You get no reports of mail sent in this domain's name. Add rua=mailto:ADDRESS.",
        f"{', '.join(published.removed)}": published.removed
        and "Receivers ignore these tags since RFC 9989; take them out.",
    }
    findings = [
        of_record(
            record, "dmarc.remark", Verdict.INFO, shown, effect=text, remedy=(), source="RFC 9989"
        )
        for shown, text in remarks.items()
        if isinstance(text, str)
    ]
    if published.odd:
        effect = "Receivers skip these parts, and some the whole record: others can send as you."
        shown, source = "; ".join(published.odd), "RFC 9989 sections 4.8 and 4.10.1"
        findings.append(
            of_record(
                record, "dmarc.syntax", Verdict.WARN, shown, effect=effect, remedy=(), source=source
            )
        )
    return findings


def _reports(
    record: Record, discovery: Discovery, published: PolicyRecord
) -> Lookups[list[Finding]]:
    """A domain that is to get reports of another must agree (RFC 9990 section 4, RFC 9991)."""
    faults = []
    for uri in dict.fromkeys((*published.reports, *published.failure_reports)):
        _, _, target = unquote(uri.partition("!")[0]).rpartition("@")
        target = target.lower().rstrip(".")
        if not is_report_uri(uri):
            faults.append(_no_report(record, f"{uri} is not a mailto: address", ()))
            continue
        theirs = yield from discover(target)
        if aligned(discovery, theirs, strict=False):
            continue
        name = f"{discovery.where}._report._dmarc.{target}"
        answer = yield from query(name, "TXT")
        agrees = answer.status is Status.OK and any(map(is_policy_record, answer.values))
        if not agrees and not answer.failed:
            shown = f"{target} does not agree to get reports of {discovery.where}"
            faults.append(_no_report(record, shown, (f'{name}. IN TXT "v=DMARC1"',)))
    return faults


def _alignment(
    record: Record, discovery: Discovery, return_paths: list[str]
) -> Lookups[list[Finding]]:
    """SPF counts for DMARC only where the envelope sender is of the same organization (RFC 9989
    section 4.4.2)."""
    strict = discovery.record is not None and discovery.record.strict_spf
    faults = []
    for name in return_paths:
        theirs = yield from discover(name)
        if not theirs.failed and not aligned(discovery, theirs, strict):
            why = "aspf=s asks for the very same name" if strict else "another organization"
            faults.append(
                of_record(
                    record,
                    "dmarc.alignment",
                    Verdict.WARN,
                    f"the envelope sender {name} is not aligned: {why}",
                    effect="Mail passes DMARC by its DKIM signature only.",
                    remedy=(),
                    source="RFC 9989 section 4.4",
                )
            )
    return faults


def _no_report(record: Record, shown: str, lines: tuple[str, ...]) -> Finding:
    return Finding(
        "dmarc.reports",
        record.name,
        record.type,
        Verdict.WARN,
        Severity.RECOMMENDED,
        shown,
        "reports arrive",
        "RFC 9990 section 4",
        "Mail is not affected, but reports about this domain are not sent.",
        lines,
    )
