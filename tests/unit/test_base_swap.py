"""The swap file of a small host, set up by the real programs in a directory."""

import os
import subprocess
from pathlib import Path

import pytest

from mailfleet.components.base import bundle as base
from tests.unit.conftest import Write

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def _condition(name: str, fleet_from: Write) -> str:
    fleet = fleet_from("base_swap_size_mb = 64\n")
    bundle = base.bundle(fleet, fleet.hosts["postal1"])
    (condition,) = (one for one in bundle.conditions if one.name == name)
    return condition.fix


@pytest.mark.parametrize("interrupted_in", ["fallocate", "mkswap", "mv"])
def test_an_interrupted_swap_set_up_begins_anew(
    fleet_from: Write, tmp_path: Path, interrupted_in: str
) -> None:
    repair = _condition("swap", fleet_from)
    (tmp_path / "fstab").write_text("")
    for path in ("/etc/fstab", "/swapfile"):
        repair = repair.replace(path, f"{tmp_path}/{path.rpartition('/')[2]}")
    programs = tmp_path / "programs"
    programs.mkdir()

    def run() -> int:
        path = f"{programs}:{os.environ['PATH']}:{_SBIN}"
        return subprocess.run(
            ["sh", "-c", repair], env={"PATH": path}, capture_output=True, check=False
        ).returncode

    # The power fails just before this program does its work; the kernel's swap is not touched.
    for name, code in (("swapon", 0), (interrupted_in, 1)):
        (programs / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (programs / name).chmod(0o755)
    assert run() != 0
    assert not (tmp_path / "swapfile").exists()

    (programs / interrupted_in).unlink()
    assert run() == 0
    assert run() == 0
    swap = tmp_path / "swapfile"
    assert swap.stat().st_mode & 0o777 == 0o600
    assert swap.stat().st_size == 64 * 2**20
    assert swap.read_bytes()[4086:4096] == b"SWAPSPACE2"
    assert (tmp_path / "fstab").read_text() == f"{swap} none swap sw 0 0\n"
    assert [path.name for path in tmp_path.glob("swapfile*")] == ["swapfile"]
