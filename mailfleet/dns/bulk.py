"""Whether the large receivers take much mail of a domain: what their rules say of DNS."""

from collections.abc import Iterator, Mapping, Sequence
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


def bulk_findings(records: Sequence[Record], findings: Sequence[Finding]) -> list[Finding]:
    """For each domain that sends: what 5,000 messages a day to each large receiver would meet, from
    what the checks found."""
    by_name: dict[str, list[Finding]] = {}
    for finding in findings:
        for name in (finding.name, _ending(finding.name)):
            by_name.setdefault(name, []).append(finding)
    return [
        _finding(domain, receiver, rules)
        for domain in _sending_domains(records)
        for rules in (_rules(domain, by_name),)
        for receiver in _RECEIVERS
    ]


def _ending(name: str) -> str:
    """What names have in common whose findings count together: all keys of a domain, all
    addresses."""
    if name.endswith(".arpa"):
        return ".arpa"
    _, key, domain = name.partition("._domainkey.")
    return key + domain


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


def _rules(domain: str, by_name: Mapping[str, Sequence[Finding]]) -> dict[str, bool | None]:
    """Rule -> whether it holds; None: nobody here knows."""

    def holds(names: str, *checks: str) -> bool | None:
        bad = [
            # Receivers refuse a policy that costs too much, whoever of us passes it.
            finding.verdict in (Verdict.FAIL, Verdict.UNKNOWN) or finding.check == "spf.whole"
            for finding in by_name.get(names, ())
            if finding.check.split(".")[0] in checks
        ]
        return not any(bad) if bad else None

    return {
        "SPF": holds(domain, "spf"),
        "DKIM": holds(f"._domainkey.{domain}", "dkim", "alias"),
        "DMARC": holds(f"_dmarc.{domain}", "dmarc"),
        "reverse DNS": holds(".arpa", "reverse"),
    }


def _finding(domain: str, receiver: _Receiver, rules: dict[str, bool | None]) -> Finding:
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
