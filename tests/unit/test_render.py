"""`mailfleet render --reveal`: all of a host's files or none, readable for nobody else."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mailfleet.cli import main
from tests.unit.conftest import Write


def _render(*options: str) -> Result:
    return CliRunner().invoke(main, ["render", "inventories/test.py", "postal1", *options])


@pytest.fixture
def fleet(fleet_from: Write) -> None:
    fleet_from(all='secrets_identity = "identity.txt"')
    assert CliRunner().invoke(main, ["secrets", "init", "inventories/test.py"]).exit_code == 0


@pytest.mark.usefixtures("fleet")
def test_without_the_key_nothing_is_printed_but_why(tmp_path: Path) -> None:
    (tmp_path / "identity.txt").unlink()
    # In a process of its own: this one has read the key.
    command = [Path(sys.executable).with_name("mailfleet"), "render", "--reveal"]
    done = subprocess.run(
        [*command, "inventories/test.py", "postal1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("mailfleet: ")
    assert str(tmp_path / "identity.txt") in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("place", ["/dev/null/x", "/proc/x"])
def test_a_directory_that_cannot_be_is_told(place: str) -> None:
    done = _render("-o", place)
    assert done.exit_code == 1
    assert done.output.startswith(f"mailfleet: {place}/")
    assert done.output.count("\n") == 1


@pytest.mark.usefixtures("fleet")
def test_revealed_files_are_never_readable_for_others(tmp_path: Path) -> None:
    """Neither where one was before, nor behind a link."""
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    assert _render("-o", str(out)).exit_code == 0
    files = [file for file in out.rglob("*") if file.is_file()]
    for file in files:
        file.chmod(0o644)
    elsewhere.write_text("mine")
    files[0].unlink()
    files[0].symlink_to(elsewhere)
    # Whoever has the former file open does not read the new one.
    with files[1].open() as former:
        assert _render("--reveal", "-o", str(out)).exit_code == 0
        assert os.fstat(former.fileno()).st_nlink == 0
    assert elsewhere.read_text() == "mine"
    assert {stat.S_IMODE(file.lstat().st_mode) for file in files} == {0o600}
