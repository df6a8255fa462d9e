"""Fetch and check the MTA-STS policy of a domain as senders do (RFC 8461 section 3.3)."""

from collections.abc import Iterator

from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.resolve.answer import Answer, Lookups, Status, probe, query
from mailfleet.dns.sts import InvalidPolicyError, StsPolicy, parse_policy, url_of

_SOURCE = "RFC 8461 section 3"
_SHORT, _GOOD = 86400, 604800
"""Seconds: a day, a week."""


def check_policy_file(record: Record) -> Lookups[list[Finding]]:
    """For a domain that takes mail and has a record of MTA-STS: its policy is served, can be used,
    and covers every MX host."""
    domain = record.name
    announced = yield from query(f"_mta-sts.{domain}", "TXT")
    if not any(text.startswith("v=STSv1") for text in announced.values):
        return []
    url = url_of(domain)
    answer = yield from probe(url, "HTTPS")
    if answer.status is not Status.OK:
        return [_unusable(domain, answer)]
    kind, body = answer.values
    try:
        if kind.partition(";")[0].strip().lower() != "text/plain":
            raise InvalidPolicyError(f"content type {kind or 'missing'}, text/plain is wanted")
        policy = parse_policy(body)
    except InvalidPolicyError as error:
        return [_finding(domain, Verdict.FAIL, f"{url}: {error}", _EFFECT)]
    hosts = yield from query(domain, "MX")
    faults = list(_faults(domain, policy, hosts))
    return faults or [_finding(domain, Verdict.OK, f"mode {policy.mode}, {policy.max_age} s")]


_EFFECT = "Senders ignore the policy, or use one that they have cached."


def _unusable(domain: str, answer: Answer) -> Finding:
    shown = f"{answer.question.name}: {answer.status}"
    if answer.values:
        shown += f": {answer.values[0]}"
    unknown = answer.status in (Status.TIMEOUT, Status.NOT_RECORDED)
    return _finding(domain, Verdict.UNKNOWN if unknown else Verdict.FAIL, shown, _EFFECT)


def _faults(domain: str, policy: StsPolicy, hosts: Answer) -> Iterator[Finding]:
    names = [value.split(" ", 1)[1] for value in hosts.values]
    lacking = [name for name in names if not policy.covers(name)]
    if lacking and policy.mode != "none":
        enforced = policy.mode == "enforce"
        effect = (
            f"Senders that keep to the policy do not deliver to {', '.join(lacking)}."
            if enforced
            else "Nothing yet; once the mode is enforce, these hosts get no mail."
        )
        shown = f"the policy does not cover {', '.join(lacking)}"
        severity = Severity.REQUIRED if enforced else Severity.RECOMMENDED
        yield _finding(domain, Verdict.FAIL, shown, effect, severity)
    if policy.mode == "testing":
        effect = "Mail is not protected yet; set mode enforce when reports show no failures."
        yield _finding(domain, Verdict.INFO, "mode testing", effect)
    if policy.max_age < _GOOD and policy.mode != "none":
        effect = "Senders drop the policy early, so it protects less."
        verdict = Verdict.WARN if policy.max_age < _SHORT else Verdict.INFO
        yield _finding(domain, verdict, f"max_age {policy.max_age} s, a week is good", effect)


def _finding(
    domain: str,
    verdict: Verdict,
    found: str,
    effect: str = "",
    severity: Severity = Severity.RECOMMENDED,
) -> Finding:
    expected = "a policy that covers every MX host"
    name = f"_mta-sts.{domain}"
    return Finding(
        "mta-sts.policy", name, "TXT", verdict, severity, found, expected, _SOURCE, effect
    )
