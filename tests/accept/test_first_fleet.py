"""The commands of first-fleet.md and shell-completion.md run, and print what is shown."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOW_TO = Path(__file__).parents[2] / "docs/how-to"

NOT_RUN = {
    # tests/accept/test_wheel.py installs the wheel.
    "python3 -m venv ~/mailfleet",
    ". ~/mailfleet/bin/activate",
    "pip install mailfleet-0.1.0-py3-none-any.whl",
    # They need the Internet's DNS, or a provider's.
    "mailfleet dns publish inventories/prod.py",
    "mailfleet dns check inventories/prod.py",
    # They need real hosts; tests/lab runs them on its own.
    "pyinfra inventories/prod.py deploys/preflight.py --dry",
    "pyinfra inventories/prod.py deploys/site.py --dry --diff",
    "pyinfra inventories/prod.py deploys/site.py",
    "mailfleet health inventories/prod.py",
}


def commands(page: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of the page's consoles, with the lines it is shown to print."""
    text = (HOW_TO / page).read_text(encoding="utf-8")
    for console in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for block in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
            command, *output = block.splitlines()
            yield command, [line for line in output if line not in ("...", "")]


class Operator:
    """A shell with a home directory of its own, which remembers where it is."""

    def __init__(self, home: Path) -> None:
        self._at = home
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
        }

    def run(self, command: str) -> str:
        """What it prints. A command that fails fails the test."""
        if command.startswith("cd "):
            self._at /= shlex.split(command)[1]
            return ""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self._at,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    operator = Operator(tmp_path)
    operator.run("git config --global user.name Operator")
    operator.run("git config --global user.email operator@example.com")
    return operator


def test_every_command_of_the_first_fleet_runs(operator: Operator) -> None:
    run = 0
    for command, shown in commands("first-fleet.md"):
        if command in NOT_RUN:
            continue
        printed = operator.run(command).splitlines()
        missing = [line for line in shown if line not in printed]
        assert not missing, (command, printed)
        run += 1
    # init, cd, settings, secrets, two of git, records, zone, age
    assert run == 9


def test_no_command_that_is_left_out_is_unknown_to_the_page() -> None:
    assert {command for command, _ in commands("first-fleet.md")} >= NOT_RUN


def test_the_commands_that_init_prints_are_those_of_the_page(operator: Operator) -> None:
    create, *_ = (text for text, _ in commands("first-fleet.md") if "mailfleet init" in text)
    printed = re.findall(r"^  (\S.*?) +# ", operator.run(create), re.MULTILINE)
    documented = {command.replace(" postal1", "") for command, _ in commands("first-fleet.md")}
    assert len(printed) == 8
    assert set(printed) <= documented


def test_completion_scripts_are_written(operator: Operator, tmp_path: Path) -> None:
    for command, _ in commands("shell-completion.md"):
        operator.run(command)
    script = tmp_path / ".local/share/bash-completion/completions/mailfleet"
    complete = f"source {shlex.quote(str(script))}; complete -p mailfleet"
    assert "_mailfleet_completion" in operator.run(complete)
