"""Whether the large receivers take much mail of a domain: what their rules say of DNS."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Record, Severity


@dataclass(frozen=True)
class _Receiver:
    name: str
    rules: tuple[str, ...]
    """Names of `_rules`."""
    source: str
    refusal: str


_RULES = {
    "spf": "SPF",
    "dkim": "DKIM",
    "alias": "DKIM",
    "dmarc": "DMARC",
    "reverse": "reverse DNS",
}
"""First part of a check's name -> the rule that it is about."""
_ALL = ("SPF", "DKIM", "DMARC", "reverse DNS")
_RECEIVERS = (
    _Receiver(
        "google",
        _ALL,
        "Google, Email sender guidelines (support.google.com/a/answer/81126)",
        "Google refuses it with 550-5.7.26 (5.7.25 for reverse DNS)",
    ),
    _Receiver(
        "yahoo",
        _ALL,
        "Yahoo, Sender Best Practices (senders.yahooinc.com)",
        "Yahoo puts it off or refuses it",
    ),
    _Receiver(
        "microsoft",
        ("SPF", "DKIM", "DMARC"),
        "Microsoft, Outlook's requirements for high-volume senders",
        "Outlook.com refuses it with 550 5.7.515",
    ),
)
_REST = "one-click unsubscribe (RFC 8058) and complaints below 0.3 % are up to you"


def bulk_findings(records: Sequence[Record], findings: Iterable[Finding]) -> Iterator[Finding]:
    """For each domain that sends: what 5,000 messages a day to each large receiver would meet, from
    what the checks found. All findings are read before the first one is made."""
    holds: dict[tuple[str, str], bool] = {}
    for finding in findings:
        if rule := _RULES.get(finding.check.partition(".")[0]):
            key = rule, _subject(rule, finding.name)
            holds[key] = holds.get(key, True) and not _breaks(finding)
    for domain in _sending_domains(records):
        rules = {rule: holds.get((rule, _asked(rule, domain))) for rule in _ALL}
        yield from (_finding(domain, receiver, rules) for receiver in _RECEIVERS)


def _breaks(finding: Finding) -> bool:
    # Receivers refuse a policy that costs too much, whoever of us passes it.
    return finding.verdict in (Verdict.FAIL, Verdict.UNKNOWN) or finding.check == "spf.whole"


def _subject(rule: str, name: str) -> str:
    """What names have in common whose findings count together: all keys of a domain, all
    addresses."""
    if rule == "reverse DNS":
        return ""
    return name.partition("._domainkey.")[2] if rule == "DKIM" else name


def _asked(rule: str, domain: str) -> str:
    """What `_subject` makes of the names that matter to a domain."""
    return {"reverse DNS": "", "DMARC": f"_dmarc.{domain}"}.get(rule, domain)


def _sending_domains(records: Sequence[Record]) -> Iterator[str]:
    policies = {
        record.name: value
        for record in records
        if record.type == "TXT"
        for value in record.values
        if value.startswith("v=spf1 ")
    }
    for record in records:
        domain = record.name.removeprefix("_dmarc.")
        if domain != record.name and policies.get(domain) not in (None, "v=spf1 -all"):
            yield domain


def _finding(domain: str, receiver: _Receiver, rules: Mapping[str, bool | None]) -> Finding:
    """`rules`: whether each holds; None: nobody here knows."""
    broken = [rule for rule in receiver.rules if rules[rule] is False]
    unknown = [rule for rule in receiver.rules if rules[rule] is None]
    verdict, shown, effect = Verdict.OK, f"{', '.join(receiver.rules)} hold; {_REST}", ""
    if broken:
        verdict = Verdict.FAIL
        shown = f"{', '.join(broken)} missing or wrong, see above"
        effect = f"From 5,000 messages a day on {receiver.refusal}, and much of it before."
    elif unknown:
        verdict = Verdict.INFO
        shown = f"{', '.join(unknown)} not known to mailfleet; {_REST}"
        effect = "Postal holds the DKIM key of a single domain, and checks it itself."
    return Finding(
        f"bulk.{receiver.name}",
        domain,
        "TXT",
        verdict,
        Severity.REQUIRED if broken else Severity.RECOMMENDED,
        shown,
        ", ".join(receiver.rules),
        receiver.source,
        effect,
    )
