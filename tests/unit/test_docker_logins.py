"""What becomes of registry logins on a host."""

import subprocess
from pathlib import Path

import pytest

from mailfleet.components.docker import bundle as docker
from tests.unit.conftest import Write

# Home of root on the hosts, as on every Debian (base-passwd).
_HOME = "/root"
_LOGINS = f"{_HOME}/.docker/config.json"


def test_removing_the_last_registry_login_removes_its_file(
    fleet_from: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = '{"host": "r.example.com", "username": "u", "password": _secret("docker/password")}'
    server = f"""
from mailfleet.secrets import secret as _secret
server = [
    ("with", {{"host_fqdn": "with.example.com", "docker_registries": [{login}]}}),
    ("without", {{"host_fqdn": "without.example.com"}}),
]
"""
    monkeypatch.setenv("MAILFLEET_SECRET_DOCKER_PASSWORD", "a-password")
    fleet = fleet_from(inventory=server, all='secrets_backend = "environment"\n')
    written = docker.bundle(fleet, fleet.hosts["with"])
    assert written.conditions == ()
    here = tmp_path / "config.json"
    here.write_bytes(written.file(_LOGINS).content)
    (condition,) = docker.bundle(fleet, fleet.hosts["without"]).conditions

    def shell(command: str) -> str:
        command = command.replace(_LOGINS, str(here))
        return subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, check=False
        ).stdout.strip()

    assert shell(condition.check) == "left"
    shell(condition.fix)
    assert not here.exists()
    assert shell(condition.check) == condition.expected
    # As `docker login` writes it.
    here.write_text('{\n\t"auths": {\n\t\t"r.example.com": {\n\t\t\t"auth": "dTpw"\n\t\t}\n\t}\n}')
    assert shell(condition.check) == condition.expected
