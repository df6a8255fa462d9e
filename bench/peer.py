"""The peer: Ansible in an environment of its own, and an inventory with the same content."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hosts import INVENTORY, ROOT, BenchError, Target, run

from lab.state import read_lab
from mailfleet.components.base.bundle import SYSCTL
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.converge.bundle import Bundle, File
from mailfleet.converge.database import native_password_hash
from mailfleet.fleet.fleet import Fleet
from mailfleet.templates import shipped

BENCH = ROOT / "bench"
_BIN = BENCH / ".venv" / "bin"

_VALIDATE = {
    "/etc/chrony/chrony.conf": "chronyd -p -f %s",
    "/etc/mailfleet/firewall.nft": "nft --check --file %s",
    "/etc/ssh/sshd_config.d/00-mailfleet.conf": "sshd -t -f %s",
}


@dataclass(frozen=True)
class Recap:
    """What one run of the playbook did on all hosts together."""

    tasks: int
    items: int
    """Module runs: tasks, each item of a loop counted."""


def install() -> None:
    """Make bench/.venv from the lock, once per lock."""
    lock = BENCH / "requirements.lock"
    stamp = BENCH / ".venv" / "ready"
    if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
        return
    print("installing ansible-core into bench/.venv", file=sys.stderr)
    run([sys.executable, "-m", "venv", str(BENCH / ".venv")])
    pip = [str(_BIN / "pip"), "install", "-q", "--disable-pip-version-check"]
    run([*pip, "--require-hashes", "-r", str(lock)])
    stamp.write_bytes(lock.read_bytes())


class Playbook:
    """bench/ansible/postal.yml, ready to run against some hosts."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._environment = {
            "ANSIBLE_CONFIG": str(BENCH / "ansible" / "ansible.cfg"),
            "ANSIBLE_HOME": str(directory / "home"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(directory / "cp"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }

    def check(self) -> Recap:
        """One run that only looks, and shows differences."""
        return self.run("--check", "--diff")

    def run(self, *options: str) -> Recap:
        """One run. Raises BenchError unless it changed nothing."""
        output = run(
            [
                str(_BIN / "ansible-playbook"),
                *("-i", str(self._directory / "hosts.json")),
                str(BENCH / "ansible" / "postal.yml"),
                *options,
            ],
            **self._environment,
        )
        changed = sum(int(number) for number in re.findall(r"\bchanged=(\d+)", output))
        if changed:
            items = "\n".join(re.findall(r"^changed: .*$", output, re.MULTILINE))
            raise BenchError(f"the playbook is not idempotent here:\n{items}")
        tasks = len(re.findall(r"^TASK \[", output, re.MULTILINE))
        return Recap(tasks, len(re.findall(r"^ok: \[", output, re.MULTILINE)))

    def close(self) -> None:
        """End the connections that ControlPersist keeps."""
        for socket in (self._directory / "cp").glob("*"):
            subprocess.run(
                ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "any"],
                stderr=subprocess.DEVNULL,
                check=False,
            )


@contextmanager
def playbook(fleet: Fleet, targets: list[Target]) -> Iterator[Playbook]:
    """The playbook with its inventory and the rendered files in a private directory, which is
    removed at the end: it holds secrets."""
    # Short: a control path has to fit into a socket address.
    with TemporaryDirectory(prefix="mfb", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        (directory / "cp").mkdir()
        for target in targets:
            content = directory / "content" / target.host.name
            mailfleet = str(ROOT / ".venv" / "bin" / "mailfleet")
            run([mailfleet, "render", INVENTORY, target.host.name, "--reveal", "-o", str(content)])
        inventory = _inventory(fleet, targets, directory)
        (directory / "hosts.json").touch(mode=0o600)
        (directory / "hosts.json").write_text(json.dumps(inventory, indent=2))
        ready = Playbook(directory)
        try:
            yield ready
        finally:
            ready.close()


def _inventory(fleet: Fleet, targets: list[Target], directory: Path) -> dict[str, Any]:
    def members(*roles: str) -> dict[str, Any]:
        return {"hosts": {host.name: {} for host in fleet.with_role(*roles)}}

    return {
        "all": {
            "vars": _shared(fleet),
            "hosts": {target.host.name: _host(target, directory) for target in targets},
            "children": {
                "database": members("database"),
                "caddy": members("caddy"),
                "postal": members("postal"),
            },
        }
    }


def _shared(fleet: Fleet) -> dict[str, Any]:
    postal = fleet[PostalSettings]
    lab = read_lab()
    admin = {
        "email_address": postal.admin_email,
        "first_name": postal.admin_first_name,
        "last_name": postal.admin_last_name,
        "password": fleet.value(postal.admin_password).reveal(),
    }
    encoded = base64.b64encode(json.dumps(admin).encode()).decode()
    return {
        "ansible_host": "127.0.0.1",
        "ansible_ssh_private_key_file": str(lab.key_file),
        "ansible_ssh_args": "-F none -o ControlMaster=auto -o ControlPersist=600s "
        f"-o UserKnownHostsFile={lab.known_hosts_file} -o IdentitiesOnly=yes",
        "database_user": postal.database_user,
        "database_name": postal.database_name,
        "database_stored_password": native_password_hash(fleet.value(postal.database_password)),
        "database_scopes": [f"`{postal.database_name}`.*", f"`{postal.database_prefix}-%`.*"],
        "admin_email": postal.admin_email,
        "admin_script": f'encoded = "{encoded}"\n{shipped("postal/admin-user.rb").decode()}',
    }


def _host(target: Target, directory: Path) -> dict[str, Any]:
    host = target.host
    place = read_lab().hosts[host.name]
    sysctl = SYSCTL | host.base.sysctl
    return {
        "ansible_port": place.ssh_port,
        "ansible_user": place.ssh_user,
        "content": str(directory / "content" / host.name),
        "short_name": host.host.fqdn.partition(".")[0],
        "sysctl": {key: str(sysctl[key]) for key in sorted(sysctl)},
        "swap_below_mb": host.base.swap_below_mb,
        "swap_size_mb": host.base.swap_size_mb,
        "follows_caddy": host.has("postal_smtp") and host.postal.smtp_tls == "caddy",
        **{bundle.component: _role(bundle) for bundle in target.bundles},
    }


def _role(bundle: Bundle) -> dict[str, Any]:
    return {
        "packages": list(bundle.packages),
        "directories": [
            {"path": item.path, "mode": f"{item.mode:04o}", "uid": item.uid, "gid": item.gid}
            for item in bundle.directories
        ],
        "files": [_file(item) for item in bundle.files],
        "units": [unit.name for unit in bundle.units],
    }


def _file(item: File) -> dict[str, Any]:
    entry = {"path": item.path, "mode": f"{item.mode:04o}", "uid": item.uid, "gid": item.gid}
    check = {"validate": _VALIDATE[item.path]} if item.path in _VALIDATE else {}
    return entry | check
