"""Many domains, looked at by more than one process."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from bench.dns_check import HOST, records, zones
from mailfleet.dns import run
from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.parts import parts_of
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.resolver import Limits
from mailfleet.dns.run import Live, NothingAnswers, look_at
from mailfleet.dns.server import Address
from tests.accept.knot import knot

DOMAINS = [f"d{number:03}.test" for number in range(320)]
SENDER = Record("10.2.0.192.in-addr.arpa", "PTR", (HOST,), "", "", Severity.REQUIRED, "")
WANTED = [SENDER, *(record for domain in DOMAINS for record in records(domain))]


def _look(cores: int, server: Address, monkeypatch: pytest.MonkeyPatch) -> Live:
    monkeypatch.setattr(run, "available_cores", lambda: cores)
    return look_at(WANTED, [server], Limits(seconds=60, rate=0))


def _sorted(found: Iterable[Finding | Record]) -> list[str]:
    return sorted(map(repr, found))


def test_two_processes_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = zones(DOMAINS)
    # One domain is served without what it should have.
    served["d007.test"] = "mx1 A 192.0.2.10\n"
    with knot(tmp_path, served) as authority:
        server = Address("127.0.0.1", authority.port)
        one, two = (_look(cores, server, monkeypatch) for cores in (1, 2))
    assert _sorted(two.findings) == _sorted(one.findings)
    asked = [{answer.question for answer in live.answers} for live in (one, two)]
    assert asked[0] == asked[1]
    wrong = {finding.name for finding in one.findings if finding.verdict is Verdict.FAIL}
    assert wrong
    assert all(name.endswith("d007.test") for name in wrong)


def test_nobody_answers_any_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NothingAnswers, match="not reachable"):
        _look(2, Address("127.0.0.1", 9), monkeypatch)


def test_records_of_a_domain_stay_in_one_part() -> None:
    first, second = parts_of(WANTED, 8)
    assert _sorted([*first, *second]) == _sorted(WANTED)
    domains = [
        {domain for record in part for domain in DOMAINS if record.name.endswith(domain)}
        for part in (first, second)
    ]
    assert not domains[0] & domains[1]
    # So few are looked at sooner by one process.
    assert parts_of(WANTED[:500], 8) == [WANTED[:500]]
