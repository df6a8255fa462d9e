"""The shell that keeps files and puts them back, run for real on files of its own."""

import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

_PARTS = {
    name: files("mailfleet.converge").joinpath(f"{name}.sh").read_text(encoding="utf-8")
    for name in ("activate", "follow")
}


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """A directory of files that a component has on a host."""
    directory = tmp_path / "etc"
    directory.mkdir()
    return directory


def _run(tmp_path: Path, part: str, *lines: str) -> None:
    # Whoever runs this has a systemd that is none of its business.
    set_up = [f"state={tmp_path}/state", "component=demo", "systemctl() { :; }"]
    script = "\n".join(["set -eu", *set_up, _PARTS[part], *lines])
    subprocess.run(["sh", "-c", script], check=True)


def test_a_rollback_after_an_interrupted_run_restores_the_files_of_both(
    tmp_path: Path, etc: Path
) -> None:
    first, second, new = etc / "first", etc / "second", etc / "new"
    first.write_text("good")
    second.write_text("good")
    second.chmod(0o640)
    _run(tmp_path, "activate", f"backup_files {first}")
    first.write_text("written by the run that was interrupted")

    _run(tmp_path, "activate", f"backup_files {first} {second} {new}")
    second.write_text("written by the next run")
    new.write_text("written by the next run")
    _run(tmp_path, "follow", "has_previous_files", "restore")

    assert (first.read_text(), second.read_text(), new.exists()) == ("good", "good", False)
    assert second.stat().st_mode & 0o777 == 0o640


def test_after_a_finished_run_the_next_one_remembers_anew(tmp_path: Path, etc: Path) -> None:
    file = etc / "file"
    file.write_text("first")
    _run(tmp_path, "activate", f"backup_files {file}")
    _run(tmp_path, "follow", "finish")
    file.write_text("second")
    _run(tmp_path, "activate", f"backup_files {file}")
    file.write_text("third")
    _run(tmp_path, "follow", "restore")
    assert file.read_text() == "second"


def test_a_file_that_an_interrupted_run_made_is_not_taken_for_a_former_one(
    tmp_path: Path, etc: Path
) -> None:
    old, made = etc / "old", etc / "made"
    old.write_text("good")
    _run(tmp_path, "activate", f"backup_files {old} {made}")
    made.write_text("new")
    _run(tmp_path, "activate", f"backup_files {old} {made}")
    _run(tmp_path, "follow", "restore")
    assert (old.read_text(), made.exists()) == ("good", False)
