"""One part of a look, in a process of its own (parts.py)."""

import pickle
import sys

from mailfleet.dns.checks.run import look_at_part
from mailfleet.dns.checks.spool import NoRoomError


def main() -> None:
    try:
        look_at_part(pickle.load(sys.stdin.buffer)).send(sys.stdout.buffer)
    except NoRoomError as error:
        sys.exit(f"mailfleet: {error.filename}: {error.strerror}")


if __name__ == "__main__":
    main()
