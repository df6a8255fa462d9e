"""Probes of a host, run against fake output of its programs."""

import shutil
from pathlib import Path

import pytest

from mailfleet.checks.probe import Probe
from mailfleet.checks.result import CheckResult, Status
from mailfleet.components.access import probes as access
from mailfleet.components.base import probes as base
from tests.probes import asked, install
from tests.unit.conftest import Write


def _ask(name: str, fleet_from: Write, directory: Path, **programs: str) -> CheckResult:
    """Ask on this machine, where each of the programs is this shell."""
    fleet = fleet_from()
    host = fleet.hosts["postal1"]
    known = (*base.probes(fleet, host), *access.probes(fleet, host))
    (probe,) = (it for it in known if it.name == name)
    assert isinstance(probe, Probe)
    install(directory, **programs)
    return asked(probe, directory, component="base")


_DF = "printf 'Use%% Mounted on\\n 45%% /\\n  {docker} /var/lib/docker\\n  9%% /\\n'"


@pytest.mark.parametrize(
    ("name", "docker", "status", "value", "finding"),
    [
        ("disk", "95%%", Status.FAIL, 95, "95% of /var/lib/docker used"),
        ("disk", "100%%", Status.FAIL, 100, "100% of /var/lib/docker used"),
        ("disk", "5%%", Status.OK, 45, "45% of / used"),
        ("inodes", "81%%", Status.WARN, 81, "81% of the inodes of /var/lib/docker used"),
        # As df(1) shows btrfs.
        ("inodes", "-", Status.OK, 45, "45% of the inodes of / used"),
    ],
)
def test_disk_and_inodes_report_the_fullest_file_system(
    fleet_from: Write,
    tmp_path: Path,
    name: str,
    docker: str,
    status: Status,
    value: float,
    finding: str,
) -> None:
    found = _ask(name, fleet_from, tmp_path, df=_DF.format(docker=docker))
    assert (found.status, found.value, found.message) == (status, value, finding)


def test_file_systems_without_inodes_are_ok(fleet_from: Write, tmp_path: Path) -> None:
    found = _ask("inodes", fleet_from, tmp_path, df="printf 'IUse%% Mounted on\\n- /\\n'")
    assert (found.status, found.value) == (Status.OK, 0)


def test_disk_reads_the_output_of_the_real_df(fleet_from: Write, tmp_path: Path) -> None:
    """By the real df."""
    found = _ask("disk", fleet_from, tmp_path)
    assert found.value is not None and 0 < found.value <= 100


def test_an_unreachable_systemd_is_a_failure(fleet_from: Write, tmp_path: Path) -> None:
    silent = "echo 'Failed to connect to bus' >&2; exit 1"
    found = _ask("units", fleet_from, tmp_path, systemctl=silent)
    assert (found.status, found.message) == (Status.FAIL, "Failed to connect to bus")


def test_each_failed_unit_is_named(fleet_from: Write, tmp_path: Path) -> None:
    units = "printf 'a.service loaded failed failed A\\nb.timer loaded failed failed B\\n'"
    found = _ask("units", fleet_from, tmp_path, systemctl=f'[ "$1" != list-units ] || {units}')
    assert (found.status, found.message.strip()) == (Status.FAIL, "failed: a.service b.timer")
    found = _ask("units", fleet_from, tmp_path, systemctl="true")
    assert (found.status, found.message.strip()) == (Status.OK, "failed: none")


# As nft(8) prints them.
_INPUT = "type filter hook input priority filter; policy drop;"
_FORWARD = 'oifname { "br-*", "docker0" } drop'


@pytest.mark.parametrize(
    ("chain_input", "chain_forward", "status"),
    [
        (_INPUT, _FORWARD, Status.OK),
        ("", _FORWARD, Status.FAIL),
        # Docker's ports are open to everyone.
        (_INPUT, "", Status.FAIL),
    ],
)
def test_both_chains_of_the_firewall_are_checked(
    fleet_from: Write, tmp_path: Path, chain_input: str, chain_forward: str, status: Status
) -> None:
    nft = f"case $5 in input) echo '{chain_input}' ;; forward) echo '{chain_forward}' ;; esac"
    assert _ask("firewall", fleet_from, tmp_path, nft=nft).status is status


_MEMINFO = "MemTotal:        4000000 kB\nMemFree:           50000 kB\nMemAvailable:    {left} kB\n"


@pytest.mark.parametrize(
    ("left", "status", "value"),
    [(2_000_000, Status.OK, 50), (400_000, Status.WARN, 10), (100_000, Status.FAIL, 2)],
)
def test_low_memory_is_reported(
    fleet_from: Write, tmp_path: Path, left: int, status: Status, value: float
) -> None:
    """What the kernel says is available, not what is free; only its file is another here."""
    (tmp_path / "meminfo").write_text(_MEMINFO.format(left=left))
    real = shutil.which("awk")
    awk = f'exec {real} "$(printf %s "$1")" {tmp_path}/meminfo'
    found = _ask("memory", fleet_from, tmp_path, awk=f"case $* in */proc/meminfo) {awk} ;; esac")
    assert (found.status, found.value, found.message) == (status, value, f"{value}% available")


@pytest.mark.parametrize(
    ("tracking", "status", "finding"),
    [
        (
            "C0000201,192.0.2.1,3,1795320566.5,-0.0002,-0.00001,0.00002,-61.2,-0.3,0.6,0.02,0.001,64,Normal",
            Status.OK,
            "normal, off by 0.011 s at most",
        ),
        # As chronyd 4.3 says it before the first answer of a server.
        (
            "7F7F0101,,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised",
            Status.WARN,
            "not synchronised, off by 1.500 s at most",
        ),
        (
            "C0000201,192.0.2.1,3,1795320566.5,90.2,0.1,0.2,-61.2,-0.3,0.6,0.02,0.001,64,Normal",
            Status.FAIL,
            "normal, off by 90.211 s at most",
        ),
    ],
)
def test_a_clock_that_is_not_synchronised_is_reported(
    fleet_from: Write, tmp_path: Path, tracking: str, status: Status, finding: str
) -> None:
    found = _ask("clock", fleet_from, tmp_path, chronyc=f"echo '{tracking}'")
    assert (found.status, found.message) == (status, finding)


def test_an_unreachable_chronyd_is_a_failure(fleet_from: Write, tmp_path: Path) -> None:
    silent = "echo '506 Cannot talk to daemon'; exit 1"
    found = _ask("clock", fleet_from, tmp_path, chronyc=silent)
    assert (found.status, found.message) == (Status.FAIL, "506 Cannot talk to daemon")
