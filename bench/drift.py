"""Time the looks at a fleet.

.venv/bin/python bench/drift.py looks inventories/lab.py    drift, and health at both levels
.venv/bin/python bench/drift.py ansible --hosts 10          against `ansible-playbook --check`
.venv/bin/python bench/drift.py growth --light 1 10 50      drift of many hosts without Docker

The hosts of `ansible` are those of bench/postal_noop.py --converge; those of `growth` are made by
BENCH_LIGHT=50 .venv/bin/pyinfra -y bench/inventory.py bench/light.py
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hosts import INVENTORY, ROOT, BenchError, load, run
from measure import DEPLOY, Timing, in_turns
from peer import install, playbook

_MAILFLEET = str(Path(sys.executable).with_name("mailfleet"))
_PHASES = str(ROOT / "bench" / "drift_phases.py")
_LIGHT = "bench/light.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    kinds = parser.add_subparsers(required=True)
    looks = kinds.add_parser("looks")
    looks.add_argument("inventory")
    looks.set_defaults(measure=_looks)
    ansible = kinds.add_parser("ansible")
    ansible.add_argument("--hosts", type=int, default=1)
    ansible.set_defaults(measure=_ansible)
    growth = kinds.add_parser("growth")
    growth.add_argument("--light", type=int, nargs="+", default=[1, 10, 50])
    growth.set_defaults(measure=_growth)
    options = parser.parse_args()
    os.chdir(ROOT)
    before = os.getloadavg()[0]
    try:
        options.measure(options)
    except BenchError as error:
        sys.exit(f"bench: {error}")
    after = os.getloadavg()[0]
    print(f"\nLoad {before:.1f} before, {after:.1f} after; {os.cpu_count()} cores.")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _asked(*arguments: str) -> Callable[[], None]:
    """Exit status 2 is an answer too; 1 is none."""

    def call() -> None:
        done = subprocess.run([_MAILFLEET, *arguments], capture_output=True, check=False)
        if done.returncode == 1:
            raise BenchError(f"{' '.join(arguments)}: {(done.stdout + done.stderr).decode()}")

    return call


def _looks(options: argparse.Namespace) -> None:
    inventory = options.inventory
    commands = {
        "mailfleet drift": _asked("drift", inventory),
        "mailfleet health --quick": _asked("health", inventory, "--quick"),
        "mailfleet health": _asked("health", inventory),
    }
    _table(_timed(commands, options.rounds))
    _phases([inventory], options.rounds)


def _ansible(options: argparse.Namespace) -> None:
    install()
    fleet, targets = load(options.hosts)
    with playbook(fleet, targets) as ansible:
        ours, theirs = f"mailfleet drift INVENTORY {DEPLOY}", "ansible-playbook --check --diff"
        timings = _timed(
            {ours: lambda: run([_MAILFLEET, "drift", INVENTORY, DEPLOY]), theirs: ansible.check},
            options.rounds,
        )
    _table(timings)
    medians = timings[theirs].median / timings[ours].median
    fastest = timings[theirs].fastest / timings[ours].fastest
    print(f"\n{options.hosts} hosts: {medians:.1f} times as long; fastest runs: {fastest:.1f}.")
    _phases([INVENTORY, DEPLOY], options.rounds)


def _growth(options: argparse.Namespace) -> None:
    for count in options.light:
        os.environ["BENCH_LIGHT"] = str(count)
        print(f"\n{count} light hosts")
        _table(
            _timed(
                {"mailfleet drift": lambda: run([_MAILFLEET, "drift", INVENTORY, _LIGHT])},
                options.rounds,
            )
        )
        _phases([INVENTORY, _LIGHT], options.rounds)


def _timed(commands: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """In turns, so that all meet the same load; one round before fills caches."""
    for command in commands.values():
        command()
    return in_turns(commands, rounds, _say)


def _table(timings: Mapping[str, Timing]) -> None:
    print("| | median | fastest | slowest |\n|---|---:|---:|---:|")
    for name, timing in timings.items():
        row = (timing.median, timing.fastest, max(timing.seconds))
        print(f"| `{name}` | " + " | ".join(f"{value:.2f} s" for value in row) + " |")


_NAMES = {
    "loaded": "Python and mailfleet loaded",
    "rendered": "settings checked, all files rendered",
    "connected": "connected and logged in",
    "answered": "beyond the connection: asked, answered, compared",
    "ended": "disconnected",
}


def _phases(arguments: Sequence[str], rounds: int) -> None:
    """What one `mailfleet drift` spends its time on."""
    runs = [json.loads(run([sys.executable, _PHASES, *arguments])) for _ in range(rounds)]
    print("\n| part of `mailfleet drift` | median | fastest | slowest |\n|---|---:|---:|---:|")
    before = [0.0] * rounds
    for key, name in _NAMES.items():
        now = [float(one[key]) for one in runs]
        took = [late - early for late, early in zip(now, before, strict=True)]
        row = (statistics.median(took), min(took), max(took))
        print(f"| {name} | " + " | ".join(f"{value:.2f} s" for value in row) + " |")
        before = now
    trips = max(one["trips"] for one in runs)
    print(
        f"\nFindings: {sorted({one['found'] for one in runs})}; SSH round trips per host: {trips}."
    )


main()
