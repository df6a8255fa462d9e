"""What a host says of itself between two runs, on files of this machine."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from mailfleet.templates import ROOT


@pytest.fixture
def verifier() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "files/base/mailfleet-verify"))


def test_every_stranger_in_an_owned_directory_is_named(
    verifier: dict[str, Any], tmp_path: Path
) -> None:
    """As `find ! -type d` names them to a deploy, which removes them."""
    (tmp_path / "inside").mkdir()
    for name in ("known", "stranger", "inside/stranger"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("/etc")
    found = tmp_path.stat()
    described = {
        "files": [[f"{tmp_path}/known", "644", 0, 0, ""]],
        "directories": [
            [str(tmp_path), f"{found.st_mode & 0o7777:o}", found.st_uid, found.st_gid, True]
        ],
    }
    assert set(verifier["directories"](described)) == {
        ("extra file", f"{tmp_path}/{name}", "present")
        for name in ("stranger", "inside/stranger", "link")
    }


@pytest.mark.parametrize("docker", ["echo no daemon >&2; exit 1", "exec sleep 60"])
def test_a_docker_that_does_not_answer_is_no_missing_container(
    verifier: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, docker: str
) -> None:
    for name, script in {"docker": docker, "systemctl": "echo active"}.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setitem(verifier["run"].__globals__, "SECONDS", 1)
    found = verifier["services"]("caddy", {"services": [["caddy", "caddy"]]})
    assert list(found) == [("unit", "docker.service", "does not answer")]
