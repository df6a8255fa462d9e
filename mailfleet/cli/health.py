"""`mailfleet health`: is every part of the fleet well?"""

import json
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import click
from pyinfra.api.config import Config
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.state import State
from pyinfra.context import ctx_state

from mailfleet.components import COMPONENTS
from mailfleet.health.probe import Answers, Probe, Result, Status, results
from mailfleet.settings.errors import SettingsError
from mailfleet.settings.fleet import EVERY_HOST, Fleet, Host
from mailfleet.settings.load import fleet_of, load_inventory
from mailfleet.settings.origin import Sources

_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red", Status.UNKNOWN: "red"}


def probes_of(fleet: Fleet, host: Host) -> dict[str, tuple[Probe, ...]]:
    """Component -> its probes on one host."""
    return {
        component.NAME: component.probes(fleet, host)
        for component in COMPONENTS
        if host.has(*component.ROLES)
    }


def _ask(fleet: Fleet, host: PyinfraHost) -> list[Result]:
    """All probes of one host, in one round trip."""
    by_component = probes_of(fleet, fleet.hosts[host.name])
    commands = {
        f"{component}: {probe.name}": probe.command
        for component, probes in by_component.items()
        for probe in probes
    }
    try:
        # With the arguments that the inventory gives, such as _sudo or _su_user.
        answers = host.get_fact(Answers, commands=commands)
    except EOFError:
        # pyinfra asks for a password where sudo wants one, here without a terminal.
        return [_login(host, "sudo asks for a password", _SUDO_REMEDY)]
    return [
        result
        for component, probes in by_component.items()
        for result in results(host.name, component, probes, answers or {})
    ]


_SUDO_REMEDY = "let the SSH user use sudo without one, or run in a terminal"
_LOGIN_REMEDY = "see that the host is up, and that its SSH address, port and key are as described"


def _login(host: PyinfraHost, finding: str, remedy: str) -> Result:
    return Result(host.name, "ssh", "login", Status.FAIL, finding, remedy)


def ask_fleet(
    inventory: str, roles: Collection[str] = EVERY_HOST, sudo: bool = False
) -> list[Result]:
    """Every probe on every host with one of the roles, all hosts at once. `sudo` is for hosts
    whose inventory does not say. Raises SettingsError."""
    loaded = load_inventory(inventory)
    fleet = fleet_of(loaded, Sources(inventory))
    # Reported host by host below, so one that is off must not end the whole run.
    config = Config(FAIL_PERCENT=100, SUDO=sudo)
    state = State(check_for_changes=False)
    state.cwd = str(Path.cwd())
    found: list[Result] = []
    with ctx_state.use(state):
        asked = [host for host in loaded if fleet.hosts[host.name].has(*roles)]
        state.init(loaded, config, initial_limit=asked)
        with suppress(PyinfraError):
            connect_all(state)
        jobs = {host: state.pool.spawn(_ask, fleet, host) for host in asked if host.connected}
        for host in asked:
            if host in jobs:
                found += jobs[host].get()
            else:
                found.append(_login(host, "cannot log in", _LOGIN_REMEDY))
        disconnect_all(state)
    return found


def show(found: list[Result]) -> None:
    """A table in the order of hosts and components; what to do follows each line in need of it."""
    width = max((len(result.row[1]) for result in found), default=0)
    hosts = max((len(result.host) for result in found), default=0)
    for result in found:
        status = click.style(f"{result.status.value:7}", _COLOURS[result.status])
        name = f"{result.component}: {result.probe}"
        click.echo(f"{result.host:{hosts}}  {status} {name:{width}}  {result.finding}")
        if result.remedy:
            click.echo(f"{'':{hosts}}          -> {result.remedy}")


@click.command()
@click.argument("inventory")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(sorted(EVERY_HOST)),
    help="Ask only hosts with this role; may be repeated.",
)
@click.option("--sudo", is_flag=True, help="Ask with sudo, like pyinfra's own --sudo.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def health(inventory: str, roles: tuple[str, ...], sudo: bool, as_json: bool) -> None:
    """Ask every host how its components are.

    Exits 0 when all is well or merely warned of, 2 when something fails, 1 when the question
    could not be asked."""
    try:
        found = ask_fleet(inventory, roles or EVERY_HOST, sudo)
    except SettingsError as error:
        click.echo(f"mailfleet: {error}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps([asdict(result) for result in found], indent=2))
    else:
        show(found)
    failed = any(result.status in (Status.FAIL, Status.UNKNOWN) for result in found)
    sys.exit(2 if failed else 0)
