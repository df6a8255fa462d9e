"""One part of a look, in a process of its own: `python -m mailfleet.dns.look`, see parts.py."""

import pickle
import sys

from mailfleet.dns.run import look_at_part
from mailfleet.dns.spool import NoRoom


def main() -> None:
    try:
        look_at_part(pickle.load(sys.stdin.buffer)).send(sys.stdout.buffer)
    except NoRoom as error:
        sys.exit(f"mailfleet: {error.filename}: {error.strerror}")


if __name__ == "__main__":
    main()
