"""pyinfra's own command line, where config.py watches it: mistakes end a run in one line before any
host is asked."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mailfleet.templates import ROOT
from tests.unit.conftest import Write


def _pyinfra(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "config.py", directory)
    (directory / "deploy.py").write_text("")
    command = [Path(sys.executable).with_name("pyinfra"), "-y", "inventories/test.py", "deploy.py"]
    return subprocess.run(
        [*command, *arguments], cwd=directory, capture_output=True, text=True, check=False
    )


def test_a_run_that_no_host_is_left_for_is_refused(fleet_from: Write, tmp_path: Path) -> None:
    fleet_from()
    done = _pyinfra(tmp_path, "--limit", "postal9")
    assert done.returncode == 1
    told = "--limit and --exclude leave no host; the inventory has postal1"
    assert done.stderr.splitlines()[-1].endswith(told)


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ('database_password = ["canary", undefined]', "all.py:1: NameError: name 'undefined'"),
        ('database_password = ["canary", ', "all.py:1: '[' was never closed"),
        (
            "from mailfleet.components.docker.settings import Registry\n"
            'docker_registries = [Registry(host="a.example", usr="x", password="canary")]',
            "all.py:2: Registry: password: takes a reference",
        ),
    ],
    ids=["name", "syntax", "model"],
)
def test_a_mistake_in_python_shows_no_line_of_the_file(
    fleet_from: Write, tmp_path: Path, mistake: str, told: str
) -> None:
    fleet_from()
    (tmp_path / "group_data/all.py").write_text(mistake)
    done = _pyinfra(tmp_path)
    assert done.returncode == 1
    assert told in done.stderr.splitlines()[-1]
    assert "canary" not in done.stdout + done.stderr
