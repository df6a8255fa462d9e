"""The hosts of the lab, as a test sees them: a shell by the lab's own key, and a way to wait."""

import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lab.state import Lab

Value = TypeVar("Value")

# Chains only: the sets beside them hold whoever connected just now.
RULES_IN_FORCE = (
    "for one in input forward; do nft -s list chain inet mailfleet $one 2>&1 || true; done"
)

# A run of the timer's that began before now has seen what was before now.
LOOK_AT_ITSELF = (
    "systemctl stop mailfleet-verify; systemctl start mailfleet-verify; "
    "cat /run/mailfleet/verify.json"
)


class NotInTimeError(AssertionError):
    """What a test waited for did not come."""


def until(look: Callable[[], Value | None], what: str, seconds: float = 180) -> Value:
    """The first true value of `look`. The deadline only ends a wait that would never end."""
    deadline = time.monotonic() + seconds
    pause = 0.1
    while True:
        value = look()
        if value:
            return value
        if time.monotonic() > deadline:
            raise NotInTimeError(f"{what}: not within {seconds} s")
        # Between two looks at another machine, not in place of one.
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


@dataclass(frozen=True)
class Answer:
    """What a command on a host said."""

    code: int
    output: str
    error: str

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()


@dataclass(frozen=True)
class Machine:
    """One host of the lab, over a connection that mailfleet has no part in."""

    lab: Lab
    name: str

    @property
    def address(self) -> str:
        return self.lab.hosts[self.name].address

    def ssh(self, *options: str) -> list[str]:
        """Arguments that run what is on standard input as root there. No process list shows it."""
        host = self.lab.hosts[self.name]
        arguments = ["ssh", "-F", "none", "-T", "-i", str(self.lab.key_file)]
        arguments += ["-p", str(host.ssh_port), "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10"]
        arguments += ["-o", f"UserKnownHostsFile={self.lab.known_hosts_file}", *options]
        sudo = "" if host.ssh_user == "root" else "sudo "
        return [*arguments, f"{host.ssh_user}@127.0.0.1", f"{sudo}bash -c 'eval \"$(cat)\"'"]

    @property
    def _shared(self) -> list[str]:
        """One connection serves a whole test run."""
        path = f"ControlPath={tempfile.gettempdir()}/mailfleet-test-%C"
        return ["-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", path]

    def ask(self, command: str, fresh: bool = False) -> Answer:
        """Run shell as root, whatever comes of it; `fresh` logs in anew for it."""
        options = [] if fresh else self._shared
        done = subprocess.run(
            self.ssh(*options), input=command, capture_output=True, text=True, check=False
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def run(self, command: str) -> str:
        """Run shell as root that must succeed; its output."""
        answer = self.ask(command)
        assert answer.code == 0, f"{self.name}: {command}\n{answer.output}\n{answer.error}"
        return answer.output.strip()

    def reachable(self, address: str, *ports: int) -> set[int]:
        """Those ports of another host to which a TCP connection from this one opens."""
        tries = "".join(
            f"( timeout 3 bash -c ': </dev/tcp/{address}/{port}' 2>/dev/null && echo {port} ) &\n"
            for port in ports
        )
        return {int(line) for line in self.run(f"{tries}wait").splitlines()}
