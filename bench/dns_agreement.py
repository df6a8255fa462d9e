"""Do mailfleet and checkdmarc come to the same verdicts?

python bench/dns_agreement.py [--domains N] [--all]; needs Debian's package knot."""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.dns_check import HERE, PEER, install_peer
from bench.dns_corpus import ASPECTS, Domain, corpus, zones
from mailfleet.dns.checks import check_record
from mailfleet.dns.checks.desired import DesiredRecords
from mailfleet.dns.dmarc import discover
from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Record, RecordType, Severity
from mailfleet.dns.resolve.resolver import Limits, Resolver
from mailfleet.dns.resolve.server import Address
from mailfleet.dns.spf import evaluate
from tests.accept.knot import knot

Seen = dict[str, dict[str, Any]]
"""Aspect -> whether it is valid, why not, and what was read."""


def wanted(domain: Domain) -> list[Record]:
    """Records of which any usable form will do, in the order of ASPECTS."""
    values: dict[tuple[str, RecordType], tuple[str, ...]] = {
        (domain.name, "TXT"): ("v=spf1 ~all",),
        (f"_dmarc.{domain.name}", "TXT"): ("v=DMARC1; p=none",),
        (domain.name, "MX"): domain.cases["mx"] or (f"10 mx1.{domain.name}",),
        (f"_smtp._tls.{domain.name}", "TXT"): ("v=TLSRPTv1; rua=mailto:a@fleet.test",),
        (f"_mta-sts.{domain.name}", "TXT"): ("v=STSv1; id=1",),
    }
    return [
        Record(name, kind, part, "", "", Severity.REQUIRED, "")
        for (name, kind), part in values.items()
    ]


def ours(domains: Sequence[Domain], server: Address) -> dict[str, Seen]:
    return asyncio.run(_ours(domains, server))


async def _ours(domains: Sequence[Domain], server: Address) -> dict[str, Seen]:
    resolver = Resolver([server], Limits(seconds=600, rate=0))
    try:
        return {domain.name: await _look(domain, resolver) for domain in domains}
    finally:
        resolver.close()


async def _look(domain: Domain, resolver: Resolver) -> Seen:
    records = wanted(domain)
    checks = [check_record(record, DesiredRecords(records)) for record in records]
    parts = await asyncio.gather(*(resolver.run(check) for check in checks))
    found = dict(zip(ASPECTS, map(_verdict, parts), strict=True))
    sender = f"postmaster@{domain.name}"
    survey = await resolver.run(evaluate(ip_address("203.0.113.1"), sender, "x", survey=True))
    found["spf"] |= {"lookups": survey.lookups, "voids": survey.voids}
    policy = (await resolver.run(discover(domain.name))).record
    found["dmarc"]["policy"] = policy.policy if policy else None
    return found


# The id is compared with that of our own policy, which says nothing about the record.
_OTHER_ID = re.compile("another id than")
# Warnings that the record itself is wrong, as opposed to advice.
_WRONG = ("spf.whole", "dmarc.syntax", "dmarc.reports")


def _verdict(findings: list[Finding]) -> dict[str, Any]:
    faults = [
        finding.found
        for finding in findings
        if (finding.verdict is Verdict.FAIL or finding.check in _WRONG)
        and not _OTHER_ID.search(finding.found)
    ]
    return {"valid": not faults, "why": "; ".join(faults)}


def theirs(domains: Sequence[Domain], port: int) -> dict[str, Seen]:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("\n".join(domain.name for domain in domains))
        file.flush()
        command = [PEER / "bin/python", HERE / "dns_agreement_peer.py", str(port), file.name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Seen] = json.loads(done.stdout)
    return found


@dataclass(frozen=True)
class Kind:
    """Why the two disagree, and who is right by the standard."""

    aspect: str
    pattern: str
    """Deviation in the texts, our reason and theirs, joined by ` | `."""
    title: str
    source: str


KINDS = [
    Kind(
        "spf",
        r"(?i:v=spf1)(?<!v=spf1)",
        "`V=SPF1`: checkdmarc refuses capitals",
        "RFC 7208 section 12; RFC 5234 section 2.3: strings of a grammar have no case",
    ),
    Kind(
        "spf",
        r"\t",
        "a tab between terms: checkdmarc reads on",
        "RFC 7208 section 4.6.1: terms are separated by spaces",
    ),
    Kind(
        "spf",
        r"include:%",
        "a macro that makes an include lead to itself: checkdmarc expands no macros",
        "RFC 7208 section 7",
    ),
    Kind(
        "spf",
        r"not a domain name",
        "a target that is no domain name (one label, an address, a port): checkdmarc looks it up, "
        "receivers end with permerror",
        "RFC 7208 sections 4.6.2 and 7.1 (domain-end, toplabel)",
    ),
    Kind(
        "spf",
        r"exp\}|\.exp",
        "a modifier whose name breaks the grammar: checkdmarc skips it",
        "RFC 7208 section 6 (name)",
    ),
    Kind(
        "spf",
        r"ip4=192",
        "`ip4=...` is a modifier nobody knows, which receivers skip; checkdmarc refuses",
        "RFC 7208 section 6",
    ),
    Kind(
        "spf",
        r"exists:\S+.*more than 2 lookups find nothing",
        "`exists` that finds nothing: checkdmarc does not count it",
        "RFC 7208 section 4.6.4: void lookups are those of any term",
    ),
    Kind(
        "spf",
        r"counts",
        "both find it valid, with another count of void lookups: checkdmarc leaves out `exists`, "
        "`ptr` and the hosts of `mx`, and counts a null MX",
        "RFC 7208 section 4.6.4",
    ),
    Kind(
        "dmarc",
        r"Unrelated TXT",
        "another service's text beside the policy: checkdmarc refuses, receivers skip it",
        "RFC 9989 section 4.10: records that do not begin with v=DMARC1 are discarded",
    ),
    Kind(
        "dmarc",
        r"is not a mailto",
        "a report address whose domain has one label: checkdmarc only misses its MX",
        "RFC 5321 section 2.3.5: a fully qualified name",
    ),
    Kind(
        "mta-sts",
        r"not one id=",
        "two `id` fields: checkdmarc takes the first",
        "RFC 8461 section 3.1 says nothing of which counts, so senders differ",
    ),
]


def kind_of(
    aspect: str, texts: Sequence[str], one: dict[str, Any], other: dict[str, Any]
) -> Kind | None:
    shown = f"{' '.join(texts)} | {one['why']} | {other['why']}"
    if one["valid"] and other["valid"]:
        shown += " | counts"
    return next(
        (kind for kind in KINDS if kind.aspect == aspect and re.search(kind.pattern, shown)), None
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--domains", type=int, default=400)
    arguments.add_argument("--all", action="store_true", help="print every disagreement")
    given = arguments.parse_args()
    install_peer()
    domains = corpus(given.domains)
    with (
        tempfile.TemporaryDirectory() as directory,
        knot(Path(directory), zones(domains)) as server,
    ):
        one = ours(domains, Address("127.0.0.1", server.port))
        other = theirs(domains, server.port)
    both: dict[str, Counter[str]] = {aspect: Counter() for aspect in ASPECTS}
    kinds: Counter[Kind] = Counter()
    unexplained = 0
    for domain in domains:
        for aspect in ASPECTS:
            a, b, texts = one[domain.name][aspect], other[domain.name][aspect], domain.cases[aspect]
            same = a["valid"] == b["valid"]
            both[aspect]["good" if a["valid"] else "broken"] += same
            both[aspect]["differ"] += not same
            if same and (not a["valid"] or all(a[key] == b[key] for key in a if key != "why")):
                continue
            kind = kind_of(aspect, texts, a, b)
            if kind:
                kinds[kind] += 1
            if given.all or not kind:
                print(f"{aspect} {texts}\n  mailfleet  {a}\n  checkdmarc {b}")
            unexplained += kind is None
    print("| | both: good | both: broken | disagree |\n|---|---:|---:|---:|")
    for aspect, counts in both.items():
        print(f"| {aspect} | {counts['good']} | {counts['broken']} | {counts['differ']} |")
    print("\n| Disagreement | times | who says so |\n|---|---:|---|")
    for kind, count in kinds.most_common():
        print(f"| {kind.aspect}: {kind.title} | {count} | {kind.source} |")
    if unexplained:
        sys.exit(f"{unexplained} disagreements have no explanation")


if __name__ == "__main__":
    main()
