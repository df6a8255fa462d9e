"""One part of a look, in a process of its own: `python -m mailfleet.dns.look`, see parts.py."""

import pickle
import sys
from tempfile import gettempdir

from mailfleet.dns.run import look_at_part


def main() -> None:
    try:
        look_at_part(pickle.load(sys.stdin.buffer)).send(sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except OSError as error:
        # Both are temporary files, which have no name.
        sys.exit(f"mailfleet: {gettempdir()}: {error.strerror}")


if __name__ == "__main__":
    main()
