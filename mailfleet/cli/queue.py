"""`mailfleet queue`: the queues of Postfix and Postal."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
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
from mailfleet.components.postal.settings import PostalSettings, postal_hosts
from mailfleet.components.registry import SCHEMA
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.load import fleet_of, load_inventory
from mailfleet.fleet.origin import Sources
from mailfleet.transport import Unreachable

_SHOWN = 20
_ROLES = ("mailserver", "database")


@dataclass(frozen=True)
class UnansweredError(Exception):
    """A host whose queue could not be read."""

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
        # pyinfra prompts for sudo's password, here without a terminal.
        raise UnansweredError(
            host.name,
            "sudo asks for a password: let the SSH user use sudo without one, or run in a terminal",
        ) from None
    if not done:
        raise UnansweredError(host.name, output.stderr.strip() or "the command failed")
    return str(output.stdout)


Queues = dict[str, tuple[PyinfraHost, list[QueuedMessage]]]
"""Host -> its queued messages."""


@dataclass(frozen=True)
class Filter:
    """Which messages a command is about; empty fields match all."""

    hosts: tuple[str, ...]
    ids: tuple[str, ...]
    recipient: str | None
    reason: str | None

    def __call__(self, message: QueuedMessage) -> bool:
        return (
            (not self.ids or message.id in self.ids)
            and (
                self.recipient is None
                or any(self.recipient in address for address in message.recipients)
            )
            and (self.reason is None or self.reason in message.reason)
        )


def _messages(fleet: Fleet, host: PyinfraHost) -> list[QueuedMessage]:
    known = fleet.hosts[host.name]
    found: list[QueuedMessage] = []
    if known.has("mailserver"):
        found += postfix.parse(host.name, _run(host, postfix.LOOK))
    if known.has("database") and postal_hosts(fleet):
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
    line = f"{total.count} queued"
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
@click.option("--recipient", help="Only messages to a recipient that contains this text.")
@click.option("--reason", help="Only messages whose reason contains this text.")
@click.option("--sudo", is_flag=True, help="Use sudo on the hosts, like pyinfra's --sudo.")
@click.option("--json", "as_json", is_flag=True, help="Print every message as JSON.")
@click.option("--yes", is_flag=True, help="Act without confirmation.")
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
    """Show the queues of Postfix and Postal: how many messages, how old, and why.

    \b
    ACTION, after you confirm the plan:
      flush    retry now
      hold     do not retry until released
      release  end a hold
      delete   remove for good, without a bounce to the sender

    Exits 0 if every queue was read, and the action done, 3 if a host was unreachable."""
    try:
        loaded = load_inventory(inventory)
        fleet = fleet_of(loaded, Sources(inventory), SCHEMA)
    except SettingsError as error:
        refuse(str(error))
    if unknown := set(hosts) - set(fleet.hosts):
        refuse(f"no host {', '.join(sorted(unknown))}")
    matches = Filter(hosts, ids, recipient, reason)
    with connected(loaded, fleet, _ROLES, sudo) as connections:
        queues, complete = _read(fleet, connections, matches)
        if queues or complete:
            _print(fleet, queues, as_json)
            if action is not None:
                complete &= _carry_out(fleet, action, queues, yes, as_json)
    sys.exit(OK if complete else UNKNOWN)


def _read(
    fleet: Fleet, connections: Mapping[PyinfraHost, Unreachable | None], matches: Filter
) -> tuple[Queues, bool]:
    """The matching messages of each host, and whether every host answered."""
    queues: Queues = {}
    complete = True
    for host, unreachable in connections.items():
        if matches.hosts and host.name not in matches.hosts:
            continue
        try:
            if unreachable:
                raise UnansweredError(host.name, f"{unreachable.finding}: {unreachable.remedy}")
            queues[host.name] = host, list(filter(matches, _messages(fleet, host)))
        except UnansweredError as error:
            click.echo(f"mailfleet: {error}", err=True)
            complete = False
    return queues, complete


def _print(fleet: Fleet, queues: Queues, as_json: bool) -> None:
    if as_json:
        rows = [asdict(message) for _, messages in queues.values() for message in messages]
        click.echo(json.dumps(rows, indent=2))
        return
    for host, messages in queues.values():
        for program in _programs(fleet, host.name):
            _show(host.name, program, [each for each in messages if each.program == program])


def _programs(fleet: Fleet, host: str) -> list[str]:
    known = fleet.hosts[host]
    programs = ["Postfix"] if known.has("mailserver") else []
    if known.has("database") and postal_hosts(fleet):
        programs.append("Postal")
    return programs


def _carry_out(
    fleet: Fleet,
    action: Action,
    queues: Queues,
    yes: bool,
    as_json: bool,
) -> bool:
    """Show the plan, ask for confirmation, act. Returns whether every host did it. With JSON on
    standard output, the plan goes to standard error."""
    plan = {name: concerned(entries, action) for name, (_, entries) in queues.items()}
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
            _act(fleet, queues[name][0], action, chosen)
        except UnansweredError as error:
            click.echo(f"mailfleet: {error}", err=True)
            done = False
    return done
