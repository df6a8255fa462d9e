"""Commands whose exit status is a verdict: whoever misuses them is not told of drift. And what all
commands have in common."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailfleet.cli import main
from mailfleet.cli.results import write
from tests.unit.conftest import Write


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["drift"], 1),
        (["drift", "inventory.py", "--what"], 1),
        (["drift", "inventory.py", "--nagios", "--what"], 3),
        (["health", "inventory.py", "--role", "nobody"], 1),
        (["health", "inventory.py", "--nagios", "--role", "nobody"], 3),
        (["dns", "chekc"], 1),
        (["dns", "--what"], 1),
        (["dns", "check", "inventory.py", "--rate", "fast"], 1),
        (["dns", "check", "inventory.py", "--replay", "x", "--save", "y"], 1),
        (["drift", "no-such-inventory.py"], 1),
        (["drift", "no-such-inventory.py", "--nagios"], 3),
        (["diagnose", "inventory.py"], 1),
        (["diagnose", "inventory.py", "--to", "a@example.com", "--log", "/nowhere"], 1),
        (["diagnose", "inventory.py", "--to", "a@example.com", "--what"], 1),
        (["queue", "inventory.py", "flsh"], 1),
        (["postal", "convert-config", "/nowhere"], 1),
        (["render", "inventory.py"], 1),
        (["report", "inventory.py"], 1),
        (["exporter", "inventory.py", "--port", "http"], 1),
        (["health", "inventory.py", "--quick", "--mail"], 1),
        (["drfit"], 1),
    ],
)
def test_misuse_is_no_verdict(arguments: list[str], code: int) -> None:
    assert CliRunner().invoke(main, arguments).exit_code == code


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["drift"], "DRIFT UNKNOWN - Missing argument 'INVENTORY'."),
        (["health", "x.py", "--quick", "--mail"], "HEALTH UNKNOWN - give one of --quick, "),
        (
            ["health", "x.py"],
            "HEALTH UNKNOWN - 1 problem in the settings, no host was touched: x.py",
        ),
    ],
)
def test_a_plugin_says_in_one_line_why_it_did_not_ask(arguments: list[str], line: str) -> None:
    done = CliRunner().invoke(main, [*arguments, "--nagios"])
    assert done.exit_code == 3
    assert done.stdout.startswith(line)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["", "-"])
def test_what_is_no_file_is_told_at_once(name: str) -> None:
    done = CliRunner().invoke(main, ["report", "no-such-inventory.py", "-o", name])
    assert done.exit_code == 1
    assert f"'{name}' is no file" in done.stderr


@pytest.mark.parametrize(("value", "coloured"), [("1", False), ("", True)])
def test_no_color_is_heeded(
    fleet_from: Write, monkeypatch: pytest.MonkeyPatch, value: str, coloured: bool
) -> None:
    fleet_from()
    monkeypatch.setenv("NO_COLOR", value)
    done = CliRunner().invoke(main, ["settings", "inventories/test.py"], color=True)
    assert done.exit_code == 0
    assert ("\x1b[" in done.output) is coloured


def test_an_output_that_takes_nothing_is_told_in_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [Path(sys.executable).with_name("mailfleet"), "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    told = "mailfleet: cannot write to standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


def test_the_exporter_does_not_serve_a_description_that_was_never_right() -> None:
    done = CliRunner().invoke(main, ["exporter", "no-such-inventory.py"])
    assert done.exit_code == 1
    assert "no-such-inventory.py: no such inventory file" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["drift", "--html"], ["drift", "--junit"], ["health", "--junit"], ["report", "--output"]],
)
def test_a_file_that_cannot_be_written_is_told_at_once(
    arguments: list[str], tmp_path: Path
) -> None:
    """Before the inventory is read: it does not exist."""
    command, option = arguments
    file = str(tmp_path / "nowhere" / "page")
    done = CliRunner().invoke(main, [command, "no-such-inventory.py", option, file])
    assert done.exit_code != 0
    assert f"no such directory: {tmp_path / 'nowhere'}" in done.output


def test_a_full_disk_is_told_with_the_file() -> None:
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write(Path("/dev/full"), "text")
