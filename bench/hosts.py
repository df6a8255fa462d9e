"""The benchmark's hosts: the checked fleet of bench/inventory.py, and how they are reached."""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.state import Lab, read_lab
from mailfleet.components.registry import COMPONENTS, SCHEMA
from mailfleet.converge.bundle import Bundle
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.load import load_fleet

ROOT = Path(__file__).resolve().parent.parent
INVENTORY = "bench/inventory.py"


class BenchError(Exception):
    """Why there is nothing to measure."""


@dataclass(frozen=True, eq=False)
class Target:
    """One host: what it should be, and its SSH command line."""

    host: Host
    bundles: tuple[Bundle, ...]
    ssh: tuple[str, ...]
    """Opens a fresh connection each time."""

    @property
    def hashes(self) -> dict[str, str]:
        return {item.path: item.sha256 for bundle in self.bundles for item in bundle.files}


def load(count: int) -> tuple[Fleet, list[Target]]:
    """Fleet and hosts of an inventory of `count` hosts."""
    os.environ["BENCH_HOSTS"] = str(count)
    fleet = load_fleet(INVENTORY, SCHEMA)
    lab = read_lab()
    return fleet, [_target(fleet, host, lab) for host in fleet.hosts.values()]


def _target(fleet: Fleet, host: Host, lab: Lab) -> Target:
    bundles = tuple(
        component.bundle(fleet, host)
        for component in COMPONENTS
        if component.bundle and component.on(fleet, host)
    )
    place = lab.hosts[host.name]
    options = [
        *("-F", "none", "-i", str(lab.key_file), "-p", str(place.ssh_port)),
        *("-o", f"UserKnownHostsFile={lab.known_hosts_file}"),
        *("-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"),
        *("-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "BatchMode=yes"),
    ]
    return Target(host, bundles, ("ssh", *options, f"{place.ssh_user}@127.0.0.1"))


def run(command: list[str], **environment: str) -> str:
    """Output of a command, both streams together. Raises BenchError with its end when it fails."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        # Asked, not killed: Ansible's workers have sessions of their own and only it ends them.
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
    if process.returncode:
        tail = "\n".join(output.splitlines()[-25:])
        raise BenchError(f"{' '.join(command)} fails:\n{tail}")
    return output
