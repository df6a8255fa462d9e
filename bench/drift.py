"""Time the looks at a fleet: drift, and health at both levels.

.venv/bin/python bench/drift.py inventories/lab.py
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

_MAILFLEET = Path(sys.executable).with_name("mailfleet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inventory")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    commands = {
        "mailfleet drift": ["drift", options.inventory],
        "mailfleet health --quick": ["health", options.inventory, "--quick"],
        "mailfleet health": ["health", options.inventory],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    # In turns, so that all meet the same load; the first round fills caches.
    for number in range(options.rounds + 1):
        for name, arguments in commands.items():
            began = time.perf_counter()
            done = subprocess.run([_MAILFLEET, *arguments], capture_output=True, check=False)
            if done.returncode == 1:
                sys.exit(f"bench: {name} could not ask everything:\n{done.stdout.decode()}")
            if number:
                seconds[name].append(time.perf_counter() - began)
    print("| | median | fastest | slowest |\n|---|---|---|---|")
    for name, times in seconds.items():
        row = (statistics.median(times), min(times), max(times))
        print(f"| `{name}` | " + " | ".join(f"{value:.1f} s" for value in row) + " |")
    print(f"\nLoad of this machine: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores.")


main()
