"""How the lab is: one verdict over its hosts."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from lab.engine import connect
from lab.hosts import existing_hosts
from lab.ready import BOOTED, poll, ssh_banner, system_state
from lab.state import LabHost, read_lab

ANSWER_SECONDS = 3


@dataclass(frozen=True)
class HostStatus:
    name: str
    address: str
    ssh: str
    # What systemd says of the host, else what Docker says of its container.
    state: str
    ok: bool


def status() -> list[HostStatus]:
    """State of every host that the lab should have."""
    lab = read_lab()
    containers = existing_hosts(connect())

    def look(name: str, host: LabHost) -> HostStatus:
        container = containers.get(name)
        if container is None:
            state = "missing"
        elif container.status != "running":
            state = container.status
        else:
            # A busy engine now and then gives an empty answer.
            ask = partial(system_state, container)
            state = poll(ask, time.monotonic() + ANSWER_SECONDS) or "booting"
        answers = state in BOOTED and bool(ssh_banner(host.ssh_port))
        if state in BOOTED and not answers:
            state = "no ssh"
        ssh = f"{host.ssh_user}@127.0.0.1:{host.ssh_port}"
        return HostStatus(name, host.address, ssh, state, answers)

    with ThreadPoolExecutor(len(lab.hosts)) as pool:
        return list(pool.map(look, lab.hosts, lab.hosts.values()))
