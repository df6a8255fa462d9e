"""One `mailfleet lab up` or `down` at a time in a work tree."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lab.names import ROOT


@contextmanager
def lab_lock(say: Callable[[str], None]) -> Iterator[None]:
    """Held on the work tree itself: `down` removes the state directory."""
    directory = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another `mailfleet lab` is at work here: waiting for it")
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        # Not left to closing, which gevent puts off.
        fcntl.flock(directory, fcntl.LOCK_UN)
        os.close(directory)
