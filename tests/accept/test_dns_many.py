"""Many domains, looked at by more than one process."""

import resource
import subprocess
import tracemalloc
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import pytest

from bench.dns_check import HOST, records, zones
from mailfleet.dns.checks import run, spool
from mailfleet.dns.checks.parts import parts_of
from mailfleet.dns.checks.run import Live, NoServerAnswersError, check_recorded, look_at
from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.resolve import resolver
from mailfleet.dns.resolve.recording import Recording, save_answers
from mailfleet.dns.resolve.resolver import Limits
from mailfleet.dns.resolve.server import Address
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


def _remember_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were many more domains: what is kept in memory is full after a few."""
    monkeypatch.setattr(resolver, "_REMEMBERED", 100)
    monkeypatch.setattr(resolver, "_AHEAD", 50)
    monkeypatch.setattr(spool, "_AT_ONCE", 16)
    monkeypatch.setattr(spool, "_IN_MEMORY", 1000)


def test_what_memory_does_not_hold_is_found_and_saved_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = WANTED[:400]
    with knot(tmp_path, zones(DOMAINS[:30])) as authority:
        server = Address("127.0.0.1", authority.port)
        before = look_at(wanted, [server], Limits(rate=0))
        _remember_little(monkeypatch)
        live = look_at(wanted, [server], Limits(rate=0))
    assert list(live.findings) == list(before.findings)
    # The domains that are not served are among them.
    assert {finding.verdict for finding in live.findings} == {Verdict.OK, Verdict.FAIL}
    save_answers(live.answers, tmp_path / "saved.json")
    saved = Recording.load(tmp_path / "saved.json")
    assert _sorted(check_recorded(wanted, saved)) == _sorted(live.findings)


def test_memory_does_not_grow_with_what_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _remember_little(monkeypatch)
    monkeypatch.setattr(run, "available_cores", lambda: 1)
    with knot(tmp_path, zones(DOMAINS)) as authority:
        server = Address("127.0.0.1", authority.port)
        few, many = (_peak(WANTED[: 10 * count], server) for count in (60, 300))
    # Bytes: the tables of wanted records take 2,000 for a domain; answers alone would take 20,000.
    assert (many - few) / 240 < 5000


def _peak(wanted: Sequence[Record], server: Address) -> int:
    """Bytes that one look takes at most."""
    tracemalloc.start()
    try:
        live = look_at(wanted, [server], Limits(rate=0))
        assert all(finding.verdict is Verdict.OK for finding in live.findings)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_nobody_answers_any_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoServerAnswersError, match="not reachable"):
        _look(2, Address("127.0.0.1", 9), monkeypatch)


def test_a_process_that_cannot_go_on_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # Bytes that one file of that process may have, as if the disk were full.
    bounded = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (100_000, 100_000))
    started = partial(subprocess.Popen, preexec_fn=bounded)
    monkeypatch.setattr(subprocess, "Popen", started)
    with pytest.raises(NoServerAnswersError, match=r"mailfleet\.dns\.look: ended with 1"):
        _look(2, Address("127.0.0.1", 9), monkeypatch)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("mailfleet: ")
    assert line.endswith(": File too large")


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
