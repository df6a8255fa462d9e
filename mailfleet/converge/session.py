"""One pyinfra run: settings checked before the first connection, connections made fast, SSH round
trips counted. `config.py` at the top of the repository calls `watch` for every run."""

import logging
from collections import Counter
from typing import Any

import click
from gevent.hub import Hub
from pyinfra import logger
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import BaseStateCallback, State
from pyinfra_cli.exceptions import CliError
from typing_extensions import override

from mailfleet.fleet.definition import Schema
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.load import fleet_of, python_error
from mailfleet.fleet.origin import Sources
from mailfleet.fleet.rules import secret_problems
from mailfleet.secrets.errors import SecretsError
from mailfleet.transport import send_at_once


class RunAbortedError(CliError, PyinfraError):  # type: ignore[misc]
    """Ends a run with one message from wherever it is raised: pyinfra shows its own errors so,
    and those of its command line, but a traceback of any other from within a deploy file."""


# Within an operation pyinfra asks a greenlet for its result; gevent prints a traceback before.
Hub.NOT_ERROR = (*Hub.NOT_ERROR, RunAbortedError)


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
        send_at_once(host)
        self._count(host)

    @override
    def host_disconnect(self, state: State, host: PyinfraHost) -> None:  # type: ignore[override]
        logger.info(f"{host.print_prefix}{self.round_trips[host.name]} SSH round trips")

    def _count(self, host: PyinfraHost) -> None:
        for name in ("run_shell_command", "put_file", "get_file"):
            method = getattr(host.connector, name)

            def counted(*args: Any, _method: Any = method, **kwargs: Any) -> Any:
                self.round_trips[host.name] += 1
                try:
                    return _method(*args, **kwargs)
                except EOFError:
                    # pyinfra asks for a password where sudo wants one, here without a terminal.
                    raise RunAbortedError(
                        f"{host.name}: sudo asks for a password. Let the SSH user use sudo "
                        "without one, or run in a terminal"
                    ) from None

            setattr(host.connector, name, counted)


_RUNS: list[Run] = []


def watch(state: State, schema: Schema) -> None:
    """Attach to a pyinfra run; called from config.py, before the inventory is loaded. A state
    takes callbacks only once it is initialised, which pyinfra does right after."""
    context = click.get_current_context(silent=True)
    arguments = context.params if context else {}
    # paramiko logs tracebacks of failed logins, which without a handler end up on the screen.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    sources = Sources(str(arguments.get("inventory", "inventory")))
    run = Run(sources, schema, dry=bool(arguments.get("dry")))
    _RUNS[:] = [run]
    # `pyinfra INVENTORY exec -- uptime` and the like work with broken settings too.
    deploys = all(name.endswith(".py") for name in arguments.get("operations", ()))
    initialise = state.init

    def initialise_and_attach(*args: Any, **kwargs: Any) -> None:
        initialise(*args, **kwargs)
        state.add_callback_handler(run)
        if deploys:
            names = ", ".join(host.name for host in state.inventory)
            # An inventory without hosts is told below.
            if names and kwargs.get("initial_limit") == []:
                raise RunAbortedError(
                    f"--limit and --exclude leave no host; the inventory has {names}"
                )
            run.fleet(state)

    state.init = initialise_and_attach  # type: ignore[method-assign]
    _tell_python_errors_in_one_line()


def _tell_python_errors_in_one_line() -> None:
    """pyinfra shows a traceback of mistakes in inventory and group_data, and with it lines of
    these files, where a password may stand."""
    # Late: mailfleet's own commands take the exceptions above from here, and no pyinfra.
    import pyinfra_cli.cli

    make_inventory = pyinfra_cli.cli.make_inventory

    def checked(*args: Any, **kwargs: Any) -> Inventory:
        try:
            inventory: Inventory = make_inventory(*args, **kwargs)
        except (Exception, SystemExit) as error:
            raise RunAbortedError(python_error(error)) from None
        return inventory

    pyinfra_cli.cli.make_inventory = checked


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
