"""One part of a look, in a process of its own: `python -m mailfleet.dns.look`, see parts.py."""

import pickle
import signal
import sys

from mailfleet.dns.run import look_at_part


def main() -> None:
    # Whoever interrupts the command hears of it from the command itself.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    look_at_part(pickle.load(sys.stdin.buffer)).send(sys.stdout.buffer)


if __name__ == "__main__":
    main()
