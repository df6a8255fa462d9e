"""`mailfleet lab` says in one line what is missing."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mailfleet.cli.lab import lab


@pytest.fixture(autouse=True)
def dead_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    # Neither the lock nor the state of a lab that is up may be touched.
    monkeypatch.setattr("lab.lock.ROOT", tmp_path)
    monkeypatch.setattr("lab.fleet.STATE", tmp_path / "state")
    monkeypatch.setattr("lab.cleanup.STATE", tmp_path / "state")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(lab, arguments)


@pytest.mark.parametrize("command", [["up"], ["up", "--install-engine"], ["down"]])
def test_without_an_engine_the_remedy_is_named(command: list[str]) -> None:
    result = invoke(*command)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "no Docker Engine answers at unix://" in result.stderr
    assert "apt-get install docker.io" in result.stderr


@pytest.mark.parametrize("command", [["status"], ["ssh", "postal1"], ["images"]])
def test_without_a_lab_the_remedy_is_named(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.state.read_lab.__defaults__", (tmp_path,))
    result = invoke(*command)
    assert result.exit_code == 1
    assert result.stderr == "Error: the lab is not up: run `mailfleet lab up`\n"


@pytest.fixture
def running_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab.json").write_text(
        """{"hosts": {"mx1": {"address": "10.213.0.12", "fqdn": "mx1.lab.test",
        "ssh_port": 20022, "ssh_user": "admin", "ports": {"22": 20022}}},
        "registry": null, "acme_directory": "https://acme.internet.test:14000/dir",
        "resolver": "10.213.0.3", "authority": "10.213.0.2"}"""
    )
    monkeypatch.setattr("lab.state.read_lab.__defaults__", (tmp_path,))


@pytest.mark.usefixtures("running_lab")
def test_an_unknown_host_is_answered_with_the_known_ones() -> None:
    result = invoke("ssh", "mx9")
    assert result.exit_code == 1
    assert result.stderr == "Error: no host mx9 in the lab: there are mx1\n"


@pytest.mark.usefixtures("running_lab")
def test_ssh_becomes_the_systems_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(os, "execvp", lambda program, arguments: called.append(arguments))
    assert invoke("ssh", "mx1", "ls", "-l").exit_code == 0
    assert called == [
        [
            *("ssh", "-F", "none", "-i", f"{tmp_path}/id_ed25519", "-p", "20022"),
            *("-o", f"UserKnownHostsFile={tmp_path}/known_hosts"),
            *("-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"),
            *("admin@127.0.0.1", "ls", "-l"),
        ]
    ]
