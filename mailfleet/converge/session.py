"""One pyinfra run: settings checked before the first connection, connections made fast, SSH round
trips counted. `config.py` at the top of the repository calls `watch` for every run."""

from collections import Counter
from typing import Any

import click
from pyinfra import logger
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.state import BaseStateCallback, State
from pyinfra_cli.exceptions import CliError
from typing_extensions import override

from mailfleet.fleet.definition import Schema
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.load import fleet_of, python_error
from mailfleet.fleet.origin import Sources
from mailfleet.fleet.rules import secret_problems
from mailfleet.pyinfra_compat import (
    after_init,
    print_no_traceback_of,
    replace_inventory_errors,
    send_at_once,
    silence_paramiko,
    wrap_connector,
)
from mailfleet.secrets.errors import SecretsError


class RunAbortedError(CliError, PyinfraError):  # type: ignore[misc]
    """Ends a run with one message from wherever it is raised: pyinfra shows its own errors so,
    and those of its command line, but a traceback of any other from within a deploy file."""


print_no_traceback_of(RunAbortedError)


class Run(BaseStateCallback):
    """pyinfra's callbacks for one run; also where deploys find the fleet."""

    def __init__(self, sources: Sources, schema: Schema, dry: bool = False) -> None:
        self.sources = sources
        self.schema = schema
        self.dry = dry
        self.round_trips: Counter[str] = Counter()
        self._fleet: Fleet | None = None

    def fleet(self, state: State) -> Fleet:
        """The checked fleet. Raises RunAbortedError."""
        if self._fleet is None:
            try:
                self._fleet = fleet_of(state.inventory, self.sources, self.schema)
                self._fleet.require_secrets()
                if problems := secret_problems(self._fleet):
                    raise SettingsError(problems)
            except (SettingsError, SecretsError) as error:
                raise RunAbortedError(str(error)) from None
        return self._fleet

    @override
    def host_connect(self, state: State, host: PyinfraHost) -> None:  # type: ignore[override]
        def count() -> None:
            self.round_trips[host.name] += 1

        send_at_once(host)
        wrap_connector(host, count, lambda: _sudo_needs_a_terminal(host.name))

    @override
    def host_disconnect(self, state: State, host: PyinfraHost) -> None:  # type: ignore[override]
        logger.info(f"{host.print_prefix}{self.round_trips[host.name]} SSH round trips")


def _sudo_needs_a_terminal(host_name: str) -> RunAbortedError:
    return RunAbortedError(
        f"{host_name}: sudo asks for a password. Let the SSH user use sudo without one, or run in "
        "a terminal"
    )


_RUNS: list[Run] = []


def watch(state: State, schema: Schema) -> None:
    """Attach to a pyinfra run; called from config.py, before the inventory is loaded."""
    context = click.get_current_context(silent=True)
    arguments = context.params if context else {}
    silence_paramiko()
    sources = Sources(str(arguments.get("inventory", "inventory")))
    run = Run(sources, schema, dry=bool(arguments.get("dry")))
    _RUNS[:] = [run]
    # `pyinfra INVENTORY exec -- uptime` and the like work with invalid settings too.
    deploys = all(name.endswith(".py") for name in arguments.get("operations", ()))

    def attach(options: dict[str, Any]) -> None:
        state.add_callback_handler(run)
        if deploys:
            names = ", ".join(host.name for host in state.inventory)
            # An inventory without hosts is an error of its own.
            if names and options.get("initial_limit") == []:
                raise RunAbortedError(
                    f"--limit and --exclude leave no host; the inventory has {names}"
                )
            run.fleet(state)

    after_init(state, attach)
    replace_inventory_errors(lambda error: RunAbortedError(python_error(error)))


def current_fleet(state: State) -> Fleet:
    """The fleet of the run in progress. Raises RunAbortedError when config.py was not loaded."""
    if not _RUNS:
        raise RunAbortedError("run pyinfra in the directory of mailfleet's config.py")
    return _RUNS[0].fleet(state)


def is_dry() -> bool:
    """Whether the run in progress ends before it would change anything."""
    return bool(_RUNS) and _RUNS[0].dry


def current_host(state: State, host: PyinfraHost) -> Host:
    return current_fleet(state).hosts[host.name]
