"""Checks of many domains."""

import subprocess
import sys
import tracemalloc
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from bench.dns_check import HOST, records, zones
from mailfleet.dns.checks import spool
from mailfleet.dns.checks.check_run import NoServerAnswersError, check_recorded, run_checks
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


def _sorted(found: Iterable[Finding | Record]) -> list[str]:
    return sorted(map(repr, found))


def test_only_the_domain_without_records_fails(tmp_path: Path) -> None:
    served = zones(DOMAINS)
    served["d007.test"] = "mx1 A 192.0.2.10\n"
    with knot(tmp_path, served) as authority:
        server = Address("127.0.0.1", authority.port)
        check_run = run_checks(WANTED, [server], Limits(seconds=60, rate=0))
    failed = {finding.name for finding in check_run.findings if finding.verdict is Verdict.FAIL}
    assert failed
    assert all(name.endswith("d007.test") for name in failed)


def _remember_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were many more domains: what is kept in memory is full after a few."""
    monkeypatch.setattr(resolver, "_CACHED_QUESTIONS", 100)
    monkeypatch.setattr(resolver, "_MAX_WAITING_RESULTS", 50)
    monkeypatch.setattr(spool, "_BATCH", 16)
    monkeypatch.setattr(spool, "_IN_MEMORY", 1000)


def test_findings_and_answers_beyond_memory_are_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = WANTED[:400]
    with knot(tmp_path, zones(DOMAINS[:30])) as authority:
        server = Address("127.0.0.1", authority.port)
        before = run_checks(wanted, [server], Limits(rate=0))
        _remember_little(monkeypatch)
        live = run_checks(wanted, [server], Limits(rate=0))
    assert list(live.findings) == list(before.findings)
    # The domains that are not served are among them.
    assert {finding.verdict for finding in live.findings} == {Verdict.OK, Verdict.FAIL}
    save_answers(live.answers, tmp_path / "saved.json")
    saved = Recording.load(tmp_path / "saved.json")
    assert _sorted(check_recorded(wanted, saved)) == _sorted(live.findings)


def test_memory_does_not_grow_with_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _remember_little(monkeypatch)
    with knot(tmp_path, zones(DOMAINS)) as authority:
        server = Address("127.0.0.1", authority.port)
        few, many = (_peak(WANTED[: 10 * count], server) for count in (60, 300))
    # Bytes: the tables of wanted records take 2,000 for a domain; answers alone would take 20,000.
    assert (many - few) / 240 < 5000


def _peak(wanted: Sequence[Record], server: Address) -> int:
    """Bytes that one look takes at most."""
    tracemalloc.start()
    try:
        live = run_checks(wanted, [server], Limits(rate=0))
        assert all(finding.verdict is Verdict.OK for finding in live.findings)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_unreachable_server_is_one_error() -> None:
    with pytest.raises(NoServerAnswersError, match="not reachable"):
        run_checks(WANTED, [Address("127.0.0.1", 9)], Limits(seconds=60, rate=0))


# The file size limit stands for a full disk.
_FULL_DISK = """
import resource
from tests.accept.test_dns_many import WANTED
from mailfleet.dns.checks import spool
from mailfleet.dns.checks.check_run import NoServerAnswersError, run_checks
from mailfleet.dns.resolve.resolver import Limits
from mailfleet.dns.resolve.server import Address
spool._IN_MEMORY = 1000
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    run_checks(WANTED, [Address("127.0.0.1", 9)], Limits(seconds=60, rate=0))
except NoServerAnswersError as error:
    print(error)
"""


def test_full_disk_is_one_error() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK], capture_output=True, text=True, check=True
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith("DNS: /")
    assert line.endswith(": File too large")
    assert done.stderr == ""


def test_checks_of_a_domain_follow_each_other(tmp_path: Path) -> None:
    """So that names they share are queried once, however little the resolver remembers."""
    mixed = sorted(WANTED, key=lambda record: record.type)
    with knot(tmp_path, zones(DOMAINS)) as authority:
        server = Address("127.0.0.1", authority.port)
        ordered, shuffled = (
            run_checks(records, [server], Limits(seconds=60, rate=0)).queries
            for records in (WANTED, mixed)
        )
    assert shuffled <= 1.01 * ordered
