"""Writing a file so that readers and a crash see the former content or the new one, whole."""

import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE_SECONDS = 60


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces the content of `path`, mode 0600. Raises OSError, with the former file in place."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
        try:
            new.write(content)
            new.flush()
            os.fsync(new.fileno())
            Path(new.name).replace(path)
        except BaseException:
            Path(new.name).unlink(missing_ok=True)
            raise
    _sync(path.parent)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Waits until no other process changes files of `directory`, then keeps the others waiting.

    The lock is on the directory itself: a file would be replaced by the rename, and one beside it
    would lie about in the operator's repository. Raises OSError after a minute in vain.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor)
        yield
    finally:
        # Not left to close(): in gevent, which pyinfra patches into the whole process, that may
        # happen much later, and the next lock() would wait for ever.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    # Tried again and again, as a blocking flock would stop all greenlets, the holder's as well.
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    errno.ETIMEDOUT, f"another process has been at it for {_PATIENCE_SECONDS} s"
                ) from None
        time.sleep(0.02)


def _sync(directory: Path) -> None:
    # The rename itself is durable only after this.
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
