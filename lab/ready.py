"""Wait until a host is one that a deploy can begin with."""

import socket
import time
from collections.abc import Callable
from typing import TypeVar

from docker.errors import APIError
from docker.models.containers import Container

from lab.errors import LabError

BOOT_SECONDS = 90
LOG_LINES = 15
T = TypeVar("T")
# Some unit failed, but the host answers: for the deploy to find out, not for the lab to hide.
BOOTED = ("running", "degraded")


def wait_ready(
    name: str, container: Container, ssh_port: int, deadline_seconds: float = BOOT_SECONDS
) -> str:
    """The system state once systemd has booted and sshd answers on 127.0.0.1."""
    deadline = time.monotonic() + deadline_seconds
    state = poll(lambda: _booted(container), deadline)
    if state is None:
        raise LabError(f"{name} did not boot in {deadline_seconds:.0f} s\n{_journal(container)}")
    if not poll(lambda: ssh_banner(ssh_port), deadline):
        raise LabError(f"sshd of {name} does not answer on {ssh_port}\n{_journal(container)}")
    return state


def poll(probe: Callable[[], T | None], deadline: float, pause: float = 0.2) -> T | None:
    while True:
        if found := probe():
            return found
        if time.monotonic() > deadline:
            return None
        time.sleep(pause)


def system_state(container: Container) -> str:
    """What systemd says of itself; empty while it cannot be asked."""
    try:
        return _run(container, "systemctl", "is-system-running")[1]
    except APIError:
        return ""


def ssh_banner(port: int) -> str | None:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            said = connection.recv(64).decode(errors="replace")
    except OSError:
        return None
    return said.strip() if said.startswith("SSH-") else None


def _run(container: Container, *command: str) -> tuple[int | None, str]:
    done = container.exec_run(list(command))
    assert isinstance(done.output, bytes)  # Not streamed.
    return done.exit_code, done.output.decode(errors="replace").strip()


def _booted(container: Container) -> str | None:
    state = system_state(container)
    return state if state in BOOTED else None


def _journal(container: Container) -> str:
    """The last that the host had to say; its boot messages if it never came to a journal."""
    try:
        code, said = _run(container, "journalctl", "-p", "warning", "-n", str(LOG_LINES))
        if code == 0:
            return said
    except APIError:
        pass
    return str(container.logs(tail=LOG_LINES).decode(errors="replace")).rstrip()
