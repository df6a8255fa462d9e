"""An operator at the keyboard: the real commands, in a directory, with what they answered."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_BIN = Path(sys.executable).parent
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

# Runs an inventory, by default the lab's, then what a test changes of it.
_VARIANT = """import runpy

_lab = runpy.run_path({inventory!r})
settings = dict(_lab["_settings"])
hosts = {{name: dict(_lab[f"_{{name}}"][1]) for name in ("postal1", "mx1", "postal2")}}
postal1, mx1, postal2 = hosts.values()
groups = {{
    "postal": ["postal1"],
    "database": ["postal1"],
    "caddy": ["postal1", "mx1"],
    "mailserver": ["mx1"],
    "email_api": ["mx1"],
    "server": ["postal2"],
}}

{changes}

_all = {{
    name: (name, data)
    for name, data in hosts.items()
    if any(name in members for members in groups.values())
}}
globals().update({{name: [_all[one] for one in members] for name, members in groups.items()}})
lab = (list(_all.values()), settings)
del settings, groups, hosts, postal1, mx1, postal2
"""


@dataclass(frozen=True)
class Outcome:
    """What a command answered: exit code, everything on the screen, and JSON if asked for."""

    command: str
    code: int
    screen: str
    data: Any = None

    def __post_init__(self) -> None:
        assert "Traceback" not in self.screen, self

    def __str__(self) -> str:
        return f"$ {self.command}\n{self.screen}\nexit code {self.code}"

    @property
    def round_trips(self) -> dict[str, int]:
        """Host -> SSH round trips, as the program counts them."""
        found = re.findall(r"\[(\S+)\]\s+(\d+) SSH round trips", self.screen)
        return {host: int(count) for host, count in found}

    @property
    def planned(self) -> dict[str, set[str]]:
        """Host -> operations that a dry run says will change it."""
        hosts: dict[str, set[str]] = {}
        for operation in self.data["plan"]:
            for host in operation["hosts_with_change"] + operation["hosts_with_conditional_change"]:
                hosts.setdefault(host, set()).add(operation["name"])
        return hosts

    def _results(self, kind: str) -> dict[str, set[str]]:
        hosts: dict[str, set[str]] = {}
        for operation in self.data["results"]["operations"]:
            for host in operation[kind]:
                hosts.setdefault(host, set()).add(operation["name"])
        return hosts

    @property
    def changed(self) -> dict[str, set[str]]:
        """Host -> operations that changed it."""
        return self._results("success")

    @property
    def unchanged(self) -> dict[str, set[str]]:
        """Host -> operations that found nothing to do."""
        return self._results("no_change")

    def ok(self) -> "Outcome":
        """Itself, of a command that succeeded."""
        assert self.code == 0, str(self)
        return self

    def refused(self, *words: str) -> "Outcome":
        """Itself, of a command that failed and said why in one line with these words."""
        assert self.code == 1, str(self)
        told = [line for line in self.screen.splitlines() if all(word in line for word in words)]
        assert told, f"no line says {words}:\n{self}"
        return self


@dataclass
class Operator:
    """Runs commands from a directory, where pyinfra leaves its log."""

    directory: Path = ROOT
    environment: Mapping[str, str] = field(default_factory=dict)
    inventory: str = "inventories/lab.py"
    changes: str = ""
    """What a variant's inventory changes."""
    source: Path = ROOT / "inventories/lab.py"
    """The inventory that variants start from."""

    def command(self, *arguments: str | Path) -> tuple[list[str], dict[str, str]]:
        program, *rest = (str(argument) for argument in arguments)
        environment = {**os.environ, "PYINFRA_PROGRESS": "off", **self.environment}
        return [str(_BIN / program), *rest], environment

    def run(self, *arguments: str | Path, answer: str = "") -> Outcome:
        """Run a program of the project; `answer` is typed into it."""
        command, environment = self.command(*arguments)
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=environment,
            input=answer,
            capture_output=True,
            text=True,
            check=False,
        )
        screen = _COLOUR.sub("", done.stdout + done.stderr)
        return Outcome(" ".join(str(argument) for argument in arguments), done.returncode, screen)

    def run_json(self, *arguments: str | Path) -> Outcome:
        """Run a program of the project that prints JSON; the screen is what else it says."""
        command, environment = self.command(*arguments)
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        data = json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else None
        screen = _COLOUR.sub("", done.stderr if data else done.stdout + done.stderr)
        told = " ".join(str(argument) for argument in arguments)
        return Outcome(told, done.returncode, screen, data)

    def start(self, *arguments: str | Path) -> "subprocess.Popen[str]":
        """Run a program of the project in the background, in a session of its own."""
        command, environment = self.command(*arguments)
        return subprocess.Popen(
            command,
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def deploy(self, *options: str, deploy: str = "deploys/postal.py") -> Outcome:
        """Converge, without a question."""
        return self._with_json("-y", *options, deploy=deploy)

    def dry(self, *options: str, deploy: str = "deploys/postal.py") -> Outcome:
        """See what a deploy would change."""
        return self._with_json("--dry", *options, deploy=deploy)

    def _with_json(self, *options: str, deploy: str) -> Outcome:
        return self.run_json("pyinfra", "--json", *options, self.inventory, deploy)

    def variant(self, directory: Path, changes: str, **environment: str) -> "Operator":
        """The same operator with other settings: `changes` is Python on `settings`, `groups`,
        `hosts` and the data of each host. The file is named lab.py, so that group stays."""
        file = directory / "lab.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        changes = f"{self.changes}\n{changes}"
        whole = _VARIANT.format(inventory=str(self.source), changes=changes)
        file.write_text(whole)
        return replace(
            self,
            environment={**self.environment, **environment},
            inventory=str(file),
            changes=changes,
        )


def nothing_pending(outcome: Outcome) -> bool:
    """Whether a dry run names no operation."""
    return not outcome.planned


def names(operations: Sequence[str], component: str) -> set[str]:
    """Operations of a component as pyinfra shows them."""
    return {f"{component} | {operation}" for operation in operations}
