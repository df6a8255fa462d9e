"""Secrets that are marked turn up where they belong and nowhere else."""

import base64
import re
import secrets
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mailfleet.components.registry import SCHEMA
from mailfleet.converge.database import native_password_hash
from mailfleet.fleet.load import load_fleet
from mailfleet.secrets import Secret
from mailfleet.secrets.environment import variable
from tests.lab.console import ROOT, Operator
from tests.lab.hosts import Machine

_ADMIN = "canary@lab.test"

# Home of root on the hosts, as on every Debian (base-passwd).
_HOME = "/root"
# Files that are there to hold secrets; each readable by its owner only.
_HOLDERS = {
    "/opt/postal/config/postal.yml": ["database_password", "rails_secret_key"],
    "/opt/postal/config/signing.key": ["signing_key"],
    f"{_HOME}/.docker/config.json": ["registry_login"],
}


class Canary:
    """Values that are found again wherever they went."""

    def __init__(self) -> None:
        key = rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        self.values = {
            "postal/database_password": f"canary-{secrets.token_hex(12)}",
            "postal/rails_secret_key": secrets.token_hex(64),
            "postal/signing_key": key.decode(),
            "postal/admin_password": f"canary-{secrets.token_hex(12)}",
            "docker/registry_password": f"canary-{secrets.token_hex(12)}",
        }
        lines = key.decode().splitlines()
        login = f"canary:{self.values['docker/registry_password']}"
        self.marks = {
            "database_password": self.values["postal/database_password"],
            "rails_secret_key": self.values["postal/rails_secret_key"],
            "signing_key": lines[5],
            "admin_password": self.values["postal/admin_password"],
            "registry_password": self.values["docker/registry_password"],
            "registry_login": base64.b64encode(login.encode()).decode(),
        }

        # MariaDB keeps it in its own files; whoever has it needs no password to log in.
        self.database_hash = native_password_hash(Secret(self.values["postal/database_password"]))

    @property
    def environment(self) -> dict[str, str]:
        return {variable(name): value for name, value in self.values.items()}

    def in_text(self, text: str) -> list[str]:
        """Names of the secrets that a text gives away, as they are or in base64."""
        packed = re.sub(r"\s", "", text)
        return [
            name
            for name, mark in {**self.marks, "database_hash": self.database_hash}.items()
            if any(spelling in packed for spelling in (mark, *_in_base64(mark)))
        ]


def _in_base64(mark: str) -> list[str]:
    """What every base64 that a text may stand in has in common, for each of its three phases."""
    phases = [base64.b64encode(b"." * phase + mark.encode()).decode() for phase in range(3)]
    return [encoded[4:-4] for encoded in phases]


@contextmanager
def _sampled_processes(machine: Machine) -> Iterator[list[str]]:
    """Every command line that shows on a host meanwhile."""
    sampler = subprocess.Popen(
        machine.ssh(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert sampler.stdin is not None
    sampler.stdin.write("while ps axww -o args=; do sleep 0.02; done")
    sampler.stdin.close()
    seen: set[str] = set()
    output = sampler.stdout
    assert output is not None
    reader = threading.Thread(target=lambda: seen.update(output))
    reader.start()
    found: list[str] = []
    yield found
    sampler.terminate()
    reader.join()
    sampler.wait()
    found += sorted(seen)


def _files_with(machine: Machine, canary: Canary) -> dict[str, str]:
    """Path -> mode of every file on the host that holds a mark, containers' logs included."""
    marks = " ".join(f"'{mark}'" for mark in canary.marks.values())
    output = machine.run(
        f"grep -r -l -a -F -s -f <(printf '%s\\n' {marks}) --exclude-dir=overlay2 "
        "/boot /etc /home /media /mnt /opt /root /run /srv /tmp /usr/local /var | "
        "while read -r file; do stat -c '%a %n' \"$file\"; done"
    )
    return {path: mode for mode, path in (line.split(" ", 1) for line in output.splitlines())}


@pytest.fixture(scope="module")
def canary() -> Canary:
    return Canary()


@pytest.fixture(scope="module")
def marked(
    deployed: Operator, tmp_path_factory: pytest.TempPathFactory, canary: Canary
) -> Operator:
    """An operator whose secrets are all marked, in the environment."""
    changes = f"""
from mailfleet.secrets import secret
from mailfleet.components.docker.settings import Registry
for key in ("secrets_file", "secrets_identity"):
    del settings[key]
settings["secrets_backend"] = "environment"
settings["postal_admin_email"] = {_ADMIN!r}
settings["docker_registries"] = [
    Registry(
        host=one.host, ca_file=one.ca_file, username="canary",
        password=secret("docker/registry_password"),
    )
    for one in settings["docker_registries"]
]
"""
    environment = _values_of_others(deployed) | canary.environment
    return deployed.variant(tmp_path_factory.mktemp("canary"), changes, **environment)


def _values_of_others(operator: Operator) -> dict[str, str]:
    """Fresh values of every generated secret: the fleet has hosts that this deploy leaves alone."""
    uses = load_fleet(operator.inventory, SCHEMA).secret_uses
    return {variable(use.ref.name): use.ref.generate() for use in uses if use.ref.generate}


@pytest.fixture(scope="module")
def screens(
    marked: Operator, deployed: Operator, postal1: Machine, canary: Canary
) -> Iterator[dict[str, str]]:
    """Everything that was to be read anywhere while marked secrets were deployed."""
    inventory, log = marked.inventory, ROOT / "pyinfra-debug.log"
    log.unlink(missing_ok=True)
    postal1.run(f"rm -f {_HOME}/.docker/config.json")
    found: dict[str, str] = {}

    def note(*arguments: str) -> None:
        outcome = marked.run(*arguments)
        found[outcome.command] = outcome.screen

    note("pyinfra", "-vvv", "--dry", "--diff", inventory, "deploys/postal.py")
    note("pyinfra", "--debug-operations", "--dry", inventory, "deploys/postal.py")
    note("pyinfra", "--debug-facts", "--dry", inventory, "deploys/postal.py")
    with _sampled_processes(postal1) as processes:
        deployment = marked.run(
            "pyinfra", "-vvv", "--diff", "--debug", "-y", inventory, "deploys/postal.py"
        ).ok()
    found[deployment.command] = deployment.screen
    found["process list of the host"] = "\n".join(processes)
    note("pyinfra", "--json", "-y", inventory, "deploys/postal.py")
    note("pyinfra", "--json", inventory, "debug-inventory")
    note("pyinfra", inventory, "debug-inventory")
    note("mailfleet", "health", inventory, "--role", "postal")
    note("mailfleet", "settings", inventory, "--all")
    note("mailfleet", "render", inventory, "postal1")
    note("mailfleet", "secrets", "list", inventory)
    found["pyinfra-debug.log"] = log.read_text() if log.exists() else ""
    found["journal of the host"] = postal1.run("journalctl --no-pager -o verbose --since -10min")
    found["logs of containers"] = postal1.run(
        "for one in $(docker ps -aq); do docker logs $one 2>&1; docker inspect $one; done"
    )
    found["what mailfleet keeps"] = postal1.run(
        "cat /var/log/mailfleet.log; find /var/lib/mailfleet -type f -exec cat {} +"
    )
    yield found
    deployed.deploy().ok()
    postal1.run(f"rm -f {_HOME}/.docker/config.json")
    postal1.run(
        "docker exec mariadb mariadb --user=root postal -e "
        f"\"DELETE FROM users WHERE email_address = '{_ADMIN}'\""
    )


def test_marked_secrets_are_deployed_and_work(screens: dict[str, str], postal1: Machine) -> None:
    assert "exit" not in screens
    assert postal1.run("postal status | grep -c '(healthy)'") == "3"


def test_no_screen_or_log_shows_a_secret(screens: dict[str, str], canary: Canary) -> None:
    assert all(screens[name] for name in screens if name != "pyinfra-debug.log"), screens.keys()
    told = {name: canary.in_text(text) for name, text in screens.items() if canary.in_text(text)}
    assert told == {}


def test_the_sampled_processes_are_those_of_the_run(screens: dict[str, str]) -> None:
    assert "docker compose" in screens["process list of the host"]


def test_files_with_secrets_are_readable_by_their_owner_only(
    screens: dict[str, str], postal1: Machine, canary: Canary
) -> None:
    holders = _files_with(postal1, canary)
    assert set(holders) == set(_HOLDERS), holders
    assert set(holders.values()) <= {"400", "600"}, holders
    for path, names in _HOLDERS.items():
        assert set(canary.in_text(postal1.run(f"cat {path}"))) >= set(names), path


def test_the_work_tree_holds_no_secret(screens: dict[str, str], canary: Canary) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    for name in listed.split("\0"):
        file: Path = ROOT / name
        if name and file.is_file() and ".venv" not in file.parts:
            text = file.read_bytes().decode(errors="replace")
            assert not any(mark in text for mark in canary.marks.values()), name


def test_the_marked_admin_can_log_in(
    screens: dict[str, str], postal1: Machine, canary: Canary
) -> None:
    script = f"print User.find_by(email_address: '{_ADMIN}').authenticate(ENV['P']) ? 'yes' : 'no'"
    password = canary.values["postal/admin_password"]
    answer = postal1.run(
        f"cd /opt/postal; P={password} docker compose run --rm -T -e P runner "
        f'bundle exec rails runner "{script}" </dev/null 2>/dev/null'
    )
    assert answer.endswith("yes")
