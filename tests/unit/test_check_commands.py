"""Commands whose exit status is a verdict: whoever misuses them is not told of drift."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mailfleet.cli import main
from mailfleet.cli.results import write


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
    ],
)
def test_misuse_is_no_verdict(arguments: list[str], code: int) -> None:
    assert CliRunner().invoke(main, arguments).exit_code == code


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
