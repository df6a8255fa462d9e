"""Time a run that has nothing to do: mailfleet against Ansible and against bare SSH.

.venv/bin/python bench/postal_noop.py --converge
"""

import argparse
import os
import signal
import sys

from hosts import INVENTORY, ROOT, BenchError, load, run
from measure import DEPLOY, floor_run, in_turns, look_run, mailfleet_dry_run, mailfleet_run
from peer import install, playbook
from report import ANSIBLE, DRY, FLOOR, LOOK, MAILFLEET, table, write

PAGE = ROOT / "docs" / "performance.md"


def main() -> None:
    options = _options()
    # An ordinary end, which removes the rendered secrets.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.chdir(ROOT)
    os.environ["BENCH_HOSTS"] = str(options.hosts)
    try:
        if options.converge:
            _converge()
        text = _measure(options.hosts, options.rounds or (7 if options.hosts == 1 else 3))
    except BenchError as error:
        sys.exit(f"bench: {error}")
    print(text)
    if options.write:
        write(PAGE, options.hosts, text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=1, metavar="N", help="1 (default) or more")
    parser.add_argument("--rounds", type=int, help="default: 7 with one host, 3 with more")
    parser.add_argument("--converge", action="store_true", help="deploy with mailfleet first")
    parser.add_argument("--write", action="store_true", help=f"update {PAGE.relative_to(ROOT)}")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _converge() -> None:
    binaries = ROOT / ".venv" / "bin"
    run([str(binaries / "mailfleet"), "secrets", "init", INVENTORY])
    _say("deploying; the first time on fresh hosts takes minutes")
    run([str(binaries / "pyinfra"), "-y", INVENTORY, DEPLOY])


def _measure(count: int, rounds: int) -> str:
    install()
    fleet, targets = load(count)
    load_before = os.getloadavg()[0]
    with playbook(fleet, targets) as ansible:
        # Not timed: compiles Python, opens Ansible's connections, and shows that all is converged.
        _say("looking whether the hosts are converged")
        trips = {MAILFLEET: mailfleet_run(), DRY: mailfleet_dry_run()}
        floor_run(targets)
        look_run(targets)
        recap = ansible.run()
        timings = in_turns(
            {
                MAILFLEET: mailfleet_run,
                FLOOR: lambda: floor_run(targets),
                ANSIBLE: ansible.run,
                DRY: mailfleet_dry_run,
                LOOK: lambda: look_run(targets),
            },
            rounds,
            _say,
        )
    return table(timings, trips, recap, (load_before, os.getloadavg()[0]))


if __name__ == "__main__":
    main()
