"""Zone files, read by those who take them: BIND's checker, Knot and octoDNS."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from octodns.provider.yaml import YamlProvider
from octodns.zone import Zone

from mailfleet.deploying.records import desired_records
from mailfleet.dns.publish.octodns import octodns_zones
from mailfleet.dns.publish.rrset import value_of
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.zone import zone_texts
from mailfleet.fleet.fleet import Fleet
from tests.accept.knot import knot
from tests.unit.conftest import fleet_from
from tests.unit.dns.conftest import postal_fleet, signing_key

__all__ = ["fleet_from", "postal_fleet", "signing_key"]

HEAD = "@ IN SOA ns.invalid. root.invalid. 1 3600 600 86400 60\n@ IN NS ns.invalid.\n"


def every_type() -> list[Record]:
    """Values that a fleet does not have by itself."""
    given = {
        ("example.net", "MX"): "0 .",
        ("example.net", "CAA"): '0 issue "ca.example; accounturi=https://ca.example/1"',
        ("_25._tcp.mx.example.net", "TLSA"): "3 1 1 " + "0a" * 32,
        ("_submissions._tcp.example.net", "SRV"): "0 1 465 mail.example.net",
        ("text.example.net", "TXT"): 'quote " backslash \\ semicolon ; ' + "x" * 300,
    }
    return [
        Record(name, kind, (value,), "why", "otherwise", Severity.REQUIRED, "source")  # type: ignore[arg-type]
        for (name, kind), value in given.items()
    ]


@pytest.fixture
def wanted(postal_fleet: Callable[..., Fleet]) -> list[Record]:
    fleet = postal_fleet('postal_sending_domains = ["example.org"]')
    return [*desired_records(fleet), *every_type()]


def test_bind_accepts_every_zone(wanted: list[Record], tmp_path: Path) -> None:
    if shutil.which("named-checkzone") is None:
        pytest.fail("`make .venv/test-tools` installs Debian's package bind9-utils")
    for zone, text in zone_texts(wanted).items():
        origin, rest = text.split("\n", 1)
        (tmp_path / "zone").write_text(f"{origin}\n$TTL 60\n{HEAD}{rest}")
        command = ["named-checkzone", "-i", "none", zone, str(tmp_path / "zone")]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        assert done.stdout.endswith("OK\n")
        assert "warning" not in done.stdout.lower()


def test_knot_serves_the_desired_records(wanted: list[Record], tmp_path: Path) -> None:
    texts = {zone: text.split("\n", 2)[2] for zone, text in zone_texts(wanted).items()}
    (tmp_path / "knot").mkdir()
    with knot(tmp_path / "knot", texts) as server:
        for record in wanted:
            assert server.values(record.name, record.type) == set(record.lines)


def test_octodns_reads_the_same_records(wanted: list[Record], tmp_path: Path) -> None:
    texts = octodns_zones(wanted)
    found: dict[tuple[str, str], list[str]] = {}
    for zone, text in texts.items():
        (tmp_path / f"{zone}.yaml").write_text(text)
        loaded = Zone(f"{zone}.", [])
        provider = YamlProvider("files", str(tmp_path), enforce_order=True, escaped_semicolons=True)
        provider.populate(loaded, lenient=False)
        for record in loaded.records:
            key = record.fqdn.removesuffix("."), record._type
            found[key] = [value.to_rdata_text() for value in getattr(record, "values", [])] or [
                record.value.to_rdata_text()
            ]
    assert found.keys() == {(record.name, record.type) for record in wanted}
    for record in wanted:
        seen = found[record.name, record.type]
        assert {value_of(record.type, line) for line in seen} == set(record.values)
