"""A host that cannot be logged in to: one clear line, exit code 1, and nothing changed."""

import subprocess
from pathlib import Path

from lab.state import Lab
from tests.lab.console import Operator

_ALONE = ("--limit", "postal2")
_DEPLOY = "deploys/base.py"


def test_an_unreachable_host_exits_3(operator: Operator, tmp_path: Path) -> None:
    away = operator.variant(tmp_path, 'postal2["ssh_port"] = 9')
    away.deploy(*_ALONE, deploy=_DEPLOY).refused("postal2", "Could not connect")
    away.dry(*_ALONE, deploy=_DEPLOY).refused("postal2", "Could not connect")
    health = away.run("mailfleet", "health", away.inventory, "--role", "server")
    assert health.code == 3
    assert "cannot log in" in health.screen


def test_a_wrong_ssh_key(operator: Operator, tmp_path: Path) -> None:
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    wrong = operator.variant(tmp_path, f'postal2["ssh_key"] = {str(key)!r}')
    wrong.deploy(*_ALONE, deploy=_DEPLOY).refused("postal2", "Authentication")


def test_a_host_key_that_is_not_the_known_one(operator: Operator, lab: Lab, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    other = lab.hosts["mx1"]
    lines = [
        line
        for line in lab.known_hosts_file.read_text().splitlines()
        if str(other.ssh_port) in line
    ]
    key = lines[0].split(" ", 1)[1]
    known.write_text(f"[127.0.0.1]:{lab.hosts['postal2'].ssh_port} {key}\n")
    wrong = operator.variant(tmp_path, f'postal2["ssh_known_hosts_file"] = {str(known)!r}')
    wrong.deploy(*_ALONE, deploy=_DEPLOY).refused("postal2", "host key")
