"""Exit codes: the same for every command."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mailfleet.checks.exit_codes import exit_code
from mailfleet.checks.result import Status
from mailfleet.cli import main
from tests.unit.conftest import Write

_ARGUMENTS = {
    "diagnose": ["--to", "a@example.com"],
    "dns sts": ["example.com"],
    "render": ["postal1"],
    "report": ["--output", "report.html"],
    "secrets rotate": ["postal/rails_secret_key"],
    "secrets set": ["postal/rails_secret_key"],
}
"""What a command needs besides the inventory."""


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            member = command.get_command(context, name)
            assert member is not None
            yield from _commands(member, (*path, name))
    else:
        yield " ".join(path)


def _takes_inventory(name: str) -> bool:
    command: click.Command = main
    for word in name.split():
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    return any(parameter.name == "inventory" for parameter in command.params)


_COMMANDS = list(_commands(main))
_OF_INVENTORY = [name for name in _COMMANDS if _takes_inventory(name)]


def _run(name: str, inventory: str, *options: str) -> int:
    arguments = [*name.split(), inventory, *_ARGUMENTS.get(name, ()), *options]
    return CliRunner().invoke(main, arguments).exit_code


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([], 0),
        ([Status.OK, Status.WARN], 0),
        ([Status.OK, Status.FAIL], 2),
        ([Status.OK, Status.UNKNOWN], 3),
        ([Status.UNKNOWN, Status.FAIL], 2),
    ],
)
def test_a_failure_wins_over_what_is_unknown(statuses: list[Status], code: int) -> None:
    assert exit_code(statuses) == code


# `lab ssh` passes its options on to ssh(1).
@pytest.mark.parametrize("name", [name for name in _COMMANDS if name != "lab ssh"])
def test_an_unknown_option_exits_1(name: str) -> None:
    done = CliRunner().invoke(main, [*name.split(), "--no-such-option"])
    assert done.exit_code == 1
    assert "No such option" in done.output


@pytest.mark.parametrize("name", _OF_INVENTORY)
def test_a_missing_inventory_exits_1(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run(name, "no-such-inventory.py") == 1


@pytest.mark.parametrize("name", _OF_INVENTORY)
def test_invalid_settings_exit_1(name: str, fleet_from: Write) -> None:
    fleet_from()
    with Path("group_data/postal.py").open("a") as file:
        file.write("postal_no_such_setting = 1\n")
    assert _run(name, "inventories/test.py") == 1


def _unreachable(fleet_from: Write, roles: str = "postal = database = caddy") -> str:
    """An inventory whose only host has no SSH server."""
    address = '"host_fqdn": "postal1.example.com", "host_public_ipv4": "127.0.0.1"'
    host = f'_host = ("postal1", {{{address}, "ssh_port": 1}})'
    fleet_from(inventory=f"{host}\n{roles} = [_host]\n")
    return "inventories/test.py"


@pytest.mark.parametrize(
    ("name", "options"), [("health", ["--quick"]), ("drift", []), ("diagnose", []), ("queue", [])]
)
def test_an_unreachable_host_exits_3(name: str, options: list[str], fleet_from: Write) -> None:
    # Without Postal there are no secrets to set, and no SMTP port whose silence is a cause.
    roles = "postal = database = caddy" if name == "queue" else "server"
    assert _run(name, _unreachable(fleet_from, roles), *options) == 3


def test_a_failure_is_not_hidden_by_an_unreachable_host(fleet_from: Write) -> None:
    """The ports are checked from the control machine, too."""
    assert _run("health", _unreachable(fleet_from)) == 2
