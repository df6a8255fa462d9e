"""Look at a healthy fleet many times: drift and health must name nothing.

.venv/bin/python bench/false_alarms.py inventories/lab.py
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

_MAILFLEET = Path(sys.executable).with_name("mailfleet")


def _ask(*arguments: str) -> Any:
    done = subprocess.run([_MAILFLEET, *arguments, "--json"], capture_output=True, check=False)
    if not done.stdout:
        sys.exit(f"bench: mailfleet {' '.join(arguments)}: {done.stderr.decode()}")
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inventory")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    named: Counter[str] = Counter()
    asked = 0
    for _ in range(options.rounds):
        for host in _ask("drift", options.inventory)["hosts"]:
            if host["error"]:
                named[f"drift {host['name']}: {host['error']}"] += 1
            for one in host["findings"]:
                named[f"drift {one['host']} {one['component']}: {one['kind']} {one['name']}"] += 1
        results = _ask("health", options.inventory)
        asked += len(results)
        for one in results:
            # How busy this machine is, is no fault of the fleet.
            if one["status"] != "ok" and one["name"] != "load":
                named[f"health {one['host']} {one['component']}: {one['name']}"] += 1
    for name, count in named.most_common():
        print(f"{count:4}  {name}")
    print(f"{options.rounds} rounds, {asked} probes, {sum(named.values())} false alarms")
    sys.exit(2 if named else 0)


main()
