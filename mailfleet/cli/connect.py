"""Hosts of an inventory, connected to for questions that are no deploy."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyinfra.api.config import Config
from pyinfra.api.connect import disconnect_all
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.context import ctx_state

from mailfleet.fleet.fleet import Fleet
from mailfleet.transport import Unreachable, connect_hosts


@contextmanager
def connected(
    inventory: Inventory, fleet: Fleet, roles: tuple[str, ...], sudo: bool = False
) -> Iterator[dict[PyinfraHost, Unreachable | None]]:
    """Hosts with one of the roles, and why one could not be logged in to: it must not end the whole
    run. `sudo` is for hosts whose inventory does not say."""
    state = State(check_for_changes=False)
    state.cwd = str(Path.cwd())
    with ctx_state.use(state):
        asked = [host for host in inventory if fleet.hosts[host.name].has(*roles)]
        state.init(inventory, Config(FAIL_PERCENT=100, SUDO=sudo), initial_limit=asked)
        try:
            yield connect_hosts(state, asked)
        finally:
            disconnect_all(state)
