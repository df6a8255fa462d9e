"""Check SPF by evaluation: every sender that the desired policy allows must pass the published
one."""

from collections.abc import Iterator
from ipaddress import IPv4Address

from mailfleet.dns.checks.desired import DesiredRecords, Sender
from mailfleet.dns.checks.names import missing_or_unknown
from mailfleet.dns.finding import Finding, Verdict, of_record
from mailfleet.dns.record import Record, presentation
from mailfleet.dns.resolve.answer import Lookups, query, run_together
from mailfleet.dns.spf import Evaluation, InvalidPolicyError, Policy, evaluate, is_policy, parse
from mailfleet.dns.spf import Verdict as Spf
from mailfleet.dns.spf.evaluate import MAX_LOOKUPS, MAX_VOID

_MANY_LOOKUPS = 8
_LONG = 450
"""Bytes; with more, the answer may not fit a datagram (RFC 7208 section 3.4)."""

_NOBODY = Sender(IPv4Address("192.0.2.1"), "invalid")


def check_spf(record: Record, desired: DesiredRecords) -> Lookups[list[Finding]]:
    """One policy at the name; every sender passes; what it costs receivers stays in bounds."""
    answer = yield from query(record.name, "TXT")
    (ours,) = (value for value in record.values if is_policy(value))
    if answer.failed:
        failed = missing_or_unknown(record, "spf", answer)
        assert failed is not None
        return [failed]
    texts = [value for value in answer.values if is_policy(value)]
    if not texts:
        return [of_record(record, "spf", Verdict.FAIL, "no SPF record")]
    if len(texts) > 1:
        shown = f"{len(texts)} SPF records where one is allowed: {' | '.join(texts)}"
        return [_fault(record, "spf", shown, _joined(texts, ours), "RFC 7208 section 3.2")]
    try:
        policy = parse(texts[0])
    except InvalidPolicyError as error:
        return [_fault(record, "spf", f"{texts[0]}: {error}", ours, "RFC 7208 section 4.6")]
    if _nobody(parse(ours)) and not _nobody(policy):
        return [_fault(record, "spf.nobody", texts[0], ours, record.source)]
    senders = desired.senders_of(record.name)
    anyone = desired.senders[0] if desired.senders else _NOBODY
    *results, survey = yield from run_together(
        *(_evaluate(sender, record.name, False) for sender in senders),
        _evaluate(anyone, record.name, True),
    )
    findings = _covers(record, list(zip(senders, results, strict=True)), texts[0], ours)
    if not findings:
        findings = [
            *_cost(record, survey),
            *_includes(record, survey, texts[0], ours),
            *_advice(record, policy, texts[0], answer.values),
        ]
    return findings or [of_record(record, "spf", Verdict.OK, texts[0])]


def _nobody(policy: Policy) -> bool:
    """Whether it refuses every sender, without looking at them."""
    kinds = [(mechanism.kind, mechanism.verdict) for mechanism in policy.mechanisms]
    return kinds == [("all", Spf.FAIL)]


def _evaluate(sender: Sender, domain: str, survey: bool) -> Lookups[Evaluation]:
    return evaluate(sender.address, f"postmaster@{domain}", sender.helo, survey=survey)


def _covers(
    record: Record, results: list[tuple[Sender, Evaluation]], published: str, ours: str
) -> list[Finding]:
    bad = [(sender, result) for sender, result in results if result.verdict is not Spf.PASS]
    if not bad:
        return []
    faults = [f"{sender.address}: {result.verdict} ({result.reason})" for sender, result in bad]
    undecided = all(result.verdict is Spf.TEMPERROR for _, result in bad)
    return [
        of_record(
            record,
            "spf.covers",
            Verdict.UNKNOWN if undecided else Verdict.FAIL,
            f"{published}: {'; '.join(faults)}",
            remedy=[presentation("TXT", _joined([published], ours))],
            source="RFC 7208 section 4",
        )
    ]


def _cost(record: Record, survey: Evaluation) -> Iterator[Finding]:
    source = "RFC 7208 section 4.6.4"
    effect = "Receivers that read the whole policy refuse it, and mail counts as unauthenticated."
    if survey.verdict in (Spf.PERMERROR, Spf.TEMPERROR):
        yield of_record(
            record,
            "spf.whole",
            Verdict.WARN,
            survey.reason,
            effect=effect,
            remedy=(),
            source=source,
        )
    elif survey.lookups >= _MANY_LOOKUPS:
        shown = f"{survey.lookups} of {MAX_LOOKUPS} lookups, {survey.voids} of {MAX_VOID} in vain"
        effect = "Mail passes for now; one more include, also of a provider, breaks the policy."
        yield of_record(
            record, "spf.lookups", Verdict.WARN, shown, effect=effect, remedy=(), source=source
        )


def _includes(record: Record, survey: Evaluation, published: str, ours: str) -> Iterator[Finding]:
    """Postal looks for its include as text, and for nothing else (has_dns_checks.rb)."""
    terms = {term.lower().lstrip("+") for term in published.split()}
    lacking = [
        term
        for term in ours.split()
        if term.startswith("include:") and term not in terms and term[8:] not in survey.read
    ]
    if lacking:
        yield of_record(
            record,
            "spf.include",
            Verdict.WARN,
            f"{published}; lacks {', '.join(lacking)}",
            effect="Mail passes, but Postal reports the domain's SPF as wrong, and a new sending "
            "address of Postal is not covered by itself.",
            remedy=[presentation("TXT", _joined([published], ours))],
        )


def _advice(
    record: Record, policy: Policy, published: str, texts: tuple[str, ...]
) -> Iterator[Finding]:
    end = policy.all
    everyone = end is not None and end.verdict is Spf.PASS
    nobody = policy.redirect is None and (end is None or end.verdict is Spf.NEUTRAL)
    kinds = [mechanism.kind for mechanism in policy.mechanisms]
    remarks = {
        "+all": everyone and "Anyone may send in this name, and receivers trust it the less.",
        "no verdict on others (all is missing or ?all)": nobody
        and "The policy does not reject other senders, so it gives no protection.",
        "ptr": "ptr" in kinds
        and "Receivers may skip this mechanism, which RFC 7208 section 5.5 says not to use.",
        "terms after all": "all" in kinds[:-1] and "Terms after `all` have no effect.",
        f"{len(published)} bytes": len(published) > _LONG
        and "The answer may not fit a datagram, and receivers without TCP see no policy.",
    }
    for shown, text in remarks.items():
        if isinstance(text, str):
            yield of_record(
                record,
                "spf.advice",
                Verdict.WARN,
                f"{published}: {shown}",
                effect=text,
                remedy=(),
                source="RFC 7208",
            )
    if any(text.startswith("spf2.0/") for text in texts):
        yield of_record(
            record,
            "spf.sender-id",
            Verdict.INFO,
            "a Sender ID record, which is obsolete",
            effect="Mail is not affected.",
            remedy=(),
            source="RFC 6686",
        )


def _fault(record: Record, check: str, shown: str, text: str, source: str) -> Finding:
    lines = [presentation("TXT", text)]
    return of_record(record, check, Verdict.FAIL, shown, remedy=lines, source=source)


def _joined(published: list[str], ours: str) -> str:
    """Our terms, then what is there; its own verdict on others kept. Ours first, so that no lookup
    in vain comes before them."""
    terms = dict.fromkeys(_terms(ours))
    for text in published:
        terms |= dict.fromkeys(_terms(text))
    ends = [term for text in (*published, ours) for term in text.split()[1:] if _is_all(term)]
    return " ".join(["v=spf1", *terms, *ends[:1]])


def _terms(text: str) -> list[str]:
    return [term for term in text.split()[1:] if not _is_all(term)]


def _is_all(term: str) -> bool:
    return term.lstrip("+-~?").lower() == "all"
