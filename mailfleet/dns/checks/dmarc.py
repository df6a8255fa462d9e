"""A policy is found for the domain, reports may be sent, and envelope senders are aligned."""

from urllib.parse import unquote

from mailfleet.dns.checks.wanted import Wanted
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
from mailfleet.dns.resolve.answer import Lookups, Status, ask


def check_policy(record: Record, wanted: Wanted) -> Lookups[list[Finding]]:
    """Any policy that receivers can use will do: the domain's own, or one inherited."""
    check = "dmarc"
    domain = record.name.removeprefix("_dmarc.")
    found = yield from discover(domain)
    if found.failed:
        effect = "Nobody can say: the DNS servers do not answer. If it stays, mail is deferred."
        return [of_record(record, check, Verdict.UNKNOWN, found.failed, effect=effect, paste=())]
    if found.ignored:
        shown = f"receivers ignore it: {', '.join(found.ignored)}"
        return [of_record(record, check, Verdict.FAIL, shown)]
    if found.record is None:
        return [of_record(record, check, Verdict.FAIL, "no policy, nor one of a parent domain")]
    policy = found.record.for_domain(below=found.where != domain)
    shown = f"p={policy}" + ("" if found.where == domain else f", from {found.where}")
    wanted_policy = parse_policy(record.values[0])
    if POLICIES.index(policy) < POLICIES.index(wanted_policy.policy):
        effect = "Receivers let more of what others send in this domain's name pass."
        return [of_record(record, "dmarc.weaker", Verdict.WARN, shown, effect=effect)]
    reports = yield from _reports(record, found, found.record)
    alignment = yield from _alignment(record, found, wanted.return_paths(domain))
    return [
        of_record(record, check, Verdict.OK, shown),
        *_remarks(record, policy, found.record),
        *reports,
        *alignment,
    ]


def _remarks(record: Record, policy: str, seen: PolicyRecord) -> list[Finding]:
    remarks = {
        "p=none": (policy == "none" and not seen.testing)
        and "Others can send in this domain's name. Once reports are clean, ask for quarantine.",
        "no rua": not seen.reports
        and "Nobody tells you who sends in this domain's name. Add rua=mailto:ADDRESS.",
        f"{', '.join(seen.removed)}": seen.removed
        and "Receivers ignore these tags since RFC 9989; take them out.",
    }
    found = [
        of_record(
            record, "dmarc.remark", Verdict.INFO, shown, effect=text, paste=(), source="RFC 9989"
        )
        for shown, text in remarks.items()
        if isinstance(text, str)
    ]
    if seen.odd:
        effect = "Receivers skip these parts, and some the whole record: others can send as you."
        shown, source = "; ".join(seen.odd), "RFC 9989 sections 4.8 and 4.10.1"
        found.append(
            of_record(
                record, "dmarc.syntax", Verdict.WARN, shown, effect=effect, paste=(), source=source
            )
        )
    return found


def _reports(record: Record, found: Discovery, seen: PolicyRecord) -> Lookups[list[Finding]]:
    """A domain that is to get reports of another must agree (RFC 9990 section 4, RFC 9991)."""
    faults = []
    for uri in dict.fromkeys((*seen.reports, *seen.failure_reports)):
        _, _, target = unquote(uri.partition("!")[0]).rpartition("@")
        target = target.lower().rstrip(".")
        if not is_report_uri(uri):
            faults.append(_no_report(record, f"{uri} is not a mailto: address", ()))
            continue
        theirs = yield from discover(target)
        if aligned(found, theirs, strict=False):
            continue
        name = f"{found.where}._report._dmarc.{target}"
        answer = yield from ask(name, "TXT")
        agrees = answer.status is Status.OK and any(map(is_policy_record, answer.values))
        if not agrees and not answer.failed:
            shown = f"{target} does not agree to get reports of {found.where}"
            faults.append(_no_report(record, shown, (f'{name}. IN TXT "v=DMARC1"',)))
    return faults


def _alignment(record: Record, found: Discovery, return_paths: list[str]) -> Lookups[list[Finding]]:
    """SPF counts for DMARC only where the envelope sender is of the same organization (RFC 9989
    section 4.4.2)."""
    strict = found.record is not None and found.record.strict_spf
    faults = []
    for name in return_paths:
        theirs = yield from discover(name)
        if not theirs.failed and not aligned(found, theirs, strict):
            why = "aspf=s asks for the very same name" if strict else "another organization"
            faults.append(
                of_record(
                    record,
                    "dmarc.alignment",
                    Verdict.WARN,
                    f"the envelope sender {name} is not aligned: {why}",
                    effect="Mail passes DMARC by its DKIM signature only.",
                    paste=(),
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
