"""Ask several hosts at once without changing them; one that is off keeps no other waiting."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import gevent
from pyinfra.api.config import Config
from pyinfra.api.connect import disconnect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.context import ctx_state

from mailfleet.pyinfra_compat import send_at_once, silence_paramiko

Answer = TypeVar("Answer")

LOGIN_REMEDY = "see that the host is up, and that its SSH address, port and key are as described"
HANG_REMEDY = "look on the host what hangs: `uptime`, `docker ps`, `systemctl list-jobs`"
HOST_KEY_REMEDY = "compare it with the host's own; `ssh-keygen -R HOST` forgets the known one"
SUDO_REMEDY = "let the SSH user use sudo without a password"


@dataclass(frozen=True)
class Unreachable:
    """Why a host could not be asked, and what to do."""

    finding: str
    remedy: str


@dataclass(frozen=True)
class HostQuery(Generic[Answer]):
    """One question to some hosts of an inventory, with pyinfra's connections."""

    inventory: Inventory
    hosts: Sequence[str]
    question: Callable[[PyinfraHost], Answer]
    sudo: bool = False
    """For hosts whose inventory does not say."""
    connect_seconds: int = 10
    answer_seconds: float = 60

    def run(self) -> dict[str, Answer | Unreachable]:
        """Host -> its answer, in the order of `hosts`. Raises what the question raises."""
        # Reported host by host, so one that is off must not end the whole run.
        config = Config(FAIL_PERCENT=100, SUDO=self.sudo, CONNECT_TIMEOUT=self.connect_seconds)
        state = State(check_for_changes=False)
        state.cwd = str(Path.cwd())
        with ctx_state.use(state):
            asked = [host for host in self.inventory if host.name in self.hosts]
            state.init(self.inventory, config, initial_limit=asked)
            off = {host.name: why for host, why in connect_hosts(state, asked).items()}
            jobs = {
                host.name: state.pool.spawn(self._ask, host) for host in asked if host.connected
            }
            gevent.joinall(list(jobs.values()), timeout=self.answer_seconds)
            found = {name: off[name] or self._answer(jobs[name]) for name in self.hosts}
            with suppress(PyinfraError, OSError, EOFError):
                disconnect_all(state)
        return found

    def _ask(self, host: PyinfraHost) -> Answer | Unreachable:
        try:
            return self.question(host)
        except EOFError:
            # pyinfra asks for a password where sudo wants one, here without a terminal.
            return Unreachable("sudo asks for a password", SUDO_REMEDY)
        except PyinfraError:
            # Its words are about the whole run; what it heard of the host it has logged.
            return Unreachable("the connection was lost", LOGIN_REMEDY)
        except OSError as error:
            return Unreachable(f"the connection was lost: {error}", LOGIN_REMEDY)

    def _answer(self, job: "gevent.Greenlet[..., Answer | Unreachable]") -> Answer | Unreachable:
        if not job.ready():
            job.kill(block=False)
            return Unreachable(f"no answer within {self.answer_seconds:.0f} s", HANG_REMEDY)
        answer: Answer | Unreachable = job.get()
        return answer


def connect_hosts(
    state: State, hosts: Sequence[PyinfraHost]
) -> dict[PyinfraHost, Unreachable | None]:
    """Of all hosts at once, why they could not be logged in to; pyinfra's own `connect_all` keeps
    the reasons to its log."""
    silence_paramiko()
    logins = {host: state.pool.spawn(_connect, state, host) for host in hosts}
    gevent.joinall(list(logins.values()))
    return {host: login.get() for host, login in logins.items()}


def _connect(state: State, host: PyinfraHost) -> Unreachable | None:
    try:
        host.connect(show_errors=False, raise_exceptions=True)
    except PyinfraError as error:
        changed = "host key" in str(error).lower()
        return Unreachable(f"cannot log in: {error}", HOST_KEY_REMEDY if changed else LOGIN_REMEDY)
    state.activate_host(host)
    send_at_once(host)
    return None
