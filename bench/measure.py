"""What is measured: whole processes, one after the other in turns, each checked for having found
nothing to change."""

import re
import shlex
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hosts import INVENTORY, ROOT, BenchError, Target, run

from mailfleet.converge.observe import Desired

_PYINFRA = str(ROOT / ".venv" / "bin" / "pyinfra")
DEPLOY = "deploys/postal.py"


@dataclass(frozen=True)
class Timing:
    """Seconds of several runs of one thing."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def fastest(self) -> float:
        return min(self.seconds)

    @property
    def spread(self) -> float:
        return max(self.seconds) - min(self.seconds)


def mailfleet_run() -> dict[str, int]:
    """A run that applies; returns SSH round trips by host."""
    output = run([_PYINFRA, "-y", INVENTORY, DEPLOY])
    total = re.search(r"Grand total +\d+ +(\S+) +(\S+)", output)
    if total is None or total.groups() != ("-", "-"):
        raise BenchError(
            "the hosts were not converged; they may be now: measure again\n"
            + "\n".join(output.splitlines()[-40:])
        )
    return _round_trips(output)


def mailfleet_dry_run() -> dict[str, int]:
    """A run that only looks; returns SSH round trips by host."""
    output = run([_PYINFRA, "--dry", INVENTORY, DEPLOY])
    table = output.partition("Detected changes:")[2].partition("\n\n")[0]
    if not table or re.search(r" [1-9]\d*( |$)", table, re.MULTILINE):
        raise BenchError(f"the dry run names changes:\n{table or output}")
    return _round_trips(output)


def _round_trips(output: str) -> dict[str, int]:
    found = re.findall(r"\[(\S+)\] (\d+) SSH round trips", output)
    return {host: int(number) for host, number in found}


def floor_run(targets: list[Target]) -> None:
    """A fresh connection to each host at once, and one script that hashes the same files."""
    scripts = {target: f"sha256sum -- {shlex.join(target.hashes)}\n" for target in targets}
    for target, output in _everywhere(scripts).items():
        lines = (line.partition("  ") for line in output.splitlines())
        if {path: digest for digest, _, path in lines} != target.hashes:
            raise BenchError(f"{target.host.name} does not hold the described files")


def look_run(targets: list[Target]) -> None:
    """The same with the script that mailfleet itself sends: its work on the host, without its
    work on the control machine."""
    _everywhere({target: Desired(target.bundles).script for target in targets})


def _everywhere(scripts: Mapping[Target, str]) -> dict[Target, str]:
    running = {}
    for target, script in scripts.items():
        process = subprocess.Popen(
            [*target.ssh, "sh -s"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(script)
        process.stdin.close()
        process.stdin = None
        running[target] = process
    outputs = {}
    for target, process in running.items():
        output, complaints = process.communicate()
        if process.returncode:
            raise BenchError(f"ssh to {target.host.name} fails: {complaints}")
        outputs[target] = output
    return outputs


def in_turns(
    things: Mapping[str, Callable[[], object]], rounds: int, say: Callable[[str], None]
) -> dict[str, Timing]:
    """Time each thing once per round, so that all meet the same load; the order moves on."""
    seconds: dict[str, list[float]] = {name: [] for name in things}
    names = list(things)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            began = time.perf_counter()
            things[name]()
            seconds[name].append(time.perf_counter() - began)
        latest = ", ".join(f"{name} {seconds[name][-1]:.2f}" for name in names)
        say(f"round {number + 1} of {rounds}: {latest}")
    return {name: Timing(tuple(values)) for name, values in seconds.items()}
