"""`mailfleet queue`: what waits in Postfix and Postal, and what to do with it."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

import click
from pyinfra.api.command import StringCommand
from pyinfra.api.host import Host as PyinfraHost

from mailfleet.checks.exit_codes import OK, UNKNOWN
from mailfleet.checks.queue import ACTIONS, Action, QueuedMessage, concerned, summary
from mailfleet.cli.connect import connected
from mailfleet.cli.refuse import refuse
from mailfleet.components.mailserver import queue as postfix
from mailfleet.components.postal import queue as postal
from mailfleet.components.postal.settings import POSTAL_PROCESSES, PostalSettings
from mailfleet.components.registry import SCHEMA
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.load import fleet_of, load_inventory
from mailfleet.fleet.origin import Sources

_SHOWN = 20
_ROLES = ("mailserver", "database")


@dataclass(frozen=True)
class UnansweredError(Exception):
    """A host that did not tell its queue."""

    host: str
    why: str

    def __str__(self) -> str:
        return f"{self.host}: {self.why}"


def _run(host: PyinfraHost, command: str) -> str:
    """Output of shell on a host. Raises UnansweredError."""
    sudo = host.data.get("_sudo", host.state.config.SUDO)
    try:
        done, output = host.run_shell_command(StringCommand(command), _sudo=bool(sudo))
    except EOFError:
        # pyinfra asks for a password where sudo wants one, here without a terminal.
        raise UnansweredError(
            host.name,
            "sudo asks for a password: let the SSH user use sudo without one, or run in a terminal",
        ) from None
    if not done:
        raise UnansweredError(host.name, output.stderr.strip() or "the command failed")
    return str(output.stdout)


def _look(fleet: Fleet, host: PyinfraHost) -> list[QueuedMessage]:
    known = fleet.hosts[host.name]
    found: list[QueuedMessage] = []
    if known.has("mailserver"):
        found += postfix.parse(host.name, _run(host, postfix.LOOK))
    if known.has("database") and fleet.with_role(*POSTAL_PROCESSES):
        found += postal.parse(host.name, _run(host, postal.look(fleet[PostalSettings])))
    return sorted(found, key=lambda entry: (entry.program, entry.arrived))


def _act(fleet: Fleet, host: PyinfraHost, action: Action, entries: Iterable[QueuedMessage]) -> None:
    for program, group in groupby(entries, key=lambda entry: entry.program):
        chosen = list(group)
        if program == "Postfix":
            _run(host, postfix.act(action, chosen))
        else:
            _run(host, postal.act(fleet[PostalSettings], action, chosen))


def _show(host: str, program: str, waiting: Sequence[QueuedMessage]) -> None:
    total = summary(waiting)
    line = f"{total.count} waiting"
    if total.count:
        line += f", oldest {total.oldest}, {total.held} held"
    click.echo(f"{host}  {program:8} {line}")
    for reason, count in total.reasons:
        click.echo(f"  {count:6}  {reason}")


def _plan(action: Action, entries: Sequence[QueuedMessage]) -> str:
    lines = [
        f"  {entry.host}  {entry.program}  {entry.id}  {entry.sender or '<>'} -> "
        f"{', '.join(entry.recipients)}  {entry.reason}"
        for entry in entries[:_SHOWN]
    ]
    if len(entries) > _SHOWN:
        lines.append(f"  ... and {len(entries) - _SHOWN} more")
    return "\n".join([f"\n{action} {len(entries)} of them:", *lines])


@click.command()
@click.argument("inventory")
@click.argument("action", required=False, type=click.Choice(ACTIONS))
@click.option("--host", "hosts", multiple=True, help="Only these hosts; may be repeated.")
@click.option("--id", "ids", multiple=True, help="Only these queue ids; may be repeated.")
@click.option("--recipient", help="Only mail to a recipient that holds this text.")
@click.option("--reason", help="Only mail whose reason holds this text.")
@click.option("--sudo", is_flag=True, help="Ask with sudo, like pyinfra's own --sudo.")
@click.option("--json", "as_json", is_flag=True, help="Print every entry as JSON.")
@click.option("--yes", is_flag=True, help="Do not ask before acting.")
def queue(
    inventory: str,
    action: Action | None,
    hosts: tuple[str, ...],
    ids: tuple[str, ...],
    recipient: str | None,
    reason: str | None,
    sudo: bool,
    as_json: bool,
    yes: bool,
) -> None:
    """Show the queues of Postfix and Postal: how many, how old, and why.

    \b
    ACTION, after the plan was shown and confirmed:
      flush    try again now
      hold     do not try until it is released
      release  end a hold
      delete   remove for good; the sender is told nothing

    Exits 0 if every queue was read, and the action done, 3 if a host was unreachable."""
    try:
        loaded = load_inventory(inventory)
        fleet = fleet_of(loaded, Sources(inventory), SCHEMA)
    except SettingsError as error:
        refuse(str(error))
    unknown = set(hosts) - set(fleet.hosts)
    if unknown:
        refuse(f"no host {', '.join(sorted(unknown))}")

    def chosen(entry: QueuedMessage) -> bool:
        return (
            (not ids or entry.id in ids)
            and (recipient is None or any(recipient in one for one in entry.recipients))
            and (reason is None or reason in entry.reason)
        )

    failed = False
    with connected(loaded, fleet, _ROLES, sudo) as asked:
        seen: dict[str, tuple[PyinfraHost, list[QueuedMessage]]] = {}
        for host, off in asked.items():
            if hosts and host.name not in hosts:
                continue
            try:
                if off:
                    raise UnansweredError(host.name, f"{off.finding}: {off.remedy}")
                seen[host.name] = host, [one for one in _look(fleet, host) if chosen(one)]
            except UnansweredError as error:
                click.echo(f"mailfleet: {error}", err=True)
                failed = True
        if failed and not seen:
            sys.exit(UNKNOWN)
        if as_json:
            everything = [asdict(entry) for _, entries in seen.values() for entry in entries]
            click.echo(json.dumps(everything, indent=2))
        else:
            for host, entries in seen.values():
                for program in _programs(fleet, host.name):
                    mine = [entry for entry in entries if entry.program == program]
                    _show(host.name, program, mine)
        if action is not None:
            failed |= not _carry_out(fleet, action, seen, yes, as_json)
    sys.exit(UNKNOWN if failed else OK)


def _programs(fleet: Fleet, host: str) -> list[str]:
    known = fleet.hosts[host]
    programs = ["Postfix"] if known.has("mailserver") else []
    if known.has("database") and fleet.with_role(*POSTAL_PROCESSES):
        programs.append("Postal")
    return programs


def _carry_out(
    fleet: Fleet,
    action: Action,
    seen: dict[str, tuple[PyinfraHost, list[QueuedMessage]]],
    yes: bool,
    as_json: bool,
) -> bool:
    """Show the plan, ask, act. Returns whether every host did it. Beside JSON a person is spoken to
    on standard error."""
    plan = {name: concerned(entries, action) for name, (_, entries) in seen.items()}
    entries = [entry for chosen in plan.values() for entry in chosen]
    if not entries:
        click.echo(f"\nnothing to {action}", err=as_json)
        return True
    click.echo(_plan(action, entries), err=as_json)
    if not yes:
        click.confirm("Go ahead?", abort=True, err=as_json)
    done = True
    for name, chosen in plan.items():
        if not chosen:
            continue
        try:
            _act(fleet, seen[name][0], action, chosen)
        except UnansweredError as error:
            click.echo(f"mailfleet: {error}", err=True)
            done = False
    return done
