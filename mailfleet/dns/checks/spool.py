"""What a look at many domains finds, kept in files: memory holds only the last of it."""

import os
import pickle
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from shutil import copyfileobj
from typing import IO, Generic, TypeVar

Item = TypeVar("Item")

_AT_ONCE = 256
"""Items written and read together, which share what they have in common."""
_IN_MEMORY = 1 << 20
"""Bytes, up to which there is no file: most fleets never need one."""


class NoRoomError(OSError):
    """No temporary file can be written; `filename` is the directory that they are in."""


@contextmanager
def named() -> Iterator[None]:
    """Around what writes temporary files, which have no name to tell. Raises NoRoomError."""
    try:
        yield
    except OSError as error:
        # Unset as long as no directory would do, which the message then tells.
        raise NoRoomError(error.errno, error.strerror, tempfile.tempdir or "TMPDIR") from None


class Spool(Generic[Item]):
    """Items in order of arrival, to be read as often as wanted. Raises NoRoomError."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        # A spool outlives the look that fills it.
        weakref.finalize(self, discard, self._file)
        self._size = 0
        self._last: list[Item] = []
        self.extend(items)

    def append(self, item: Item) -> None:
        self._last.append(item)
        if len(self._last) == _AT_ONCE:
            self._write()

    def extend(self, items: Iterable[Item]) -> None:
        for item in items:
            self.append(item)

    def __iter__(self) -> Iterator[Item]:
        at = 0
        while at < self._size:
            # Another reader may have been here in between.
            self._file.seek(at)
            items: list[Item] = pickle.load(self._file)
            at = self._file.tell()
            yield from items
        yield from self._last

    def send(self, to: IO[bytes]) -> None:
        """Write all items, for `receive` elsewhere."""
        self._write()
        with named():
            pickle.dump(self._size, to)
            self._file.seek(0)
            copyfileobj(self._file, to)
            to.flush()

    def receive(self, sent: IO[bytes]) -> None:
        """Append the items that another spool sent."""
        self._write()
        end = self._size + pickle.load(sent)
        with named():
            while block := sent.read(min(end - self._size, _IN_MEMORY)):
                self._size += self._file.write(block)
            self._file.flush()

    def _write(self) -> None:
        """Put the last items into the file, and stay at its end."""
        with named():
            self._file.seek(0, os.SEEK_END)
            if self._last:
                pickle.dump(self._last, self._file, pickle.HIGHEST_PROTOCOL)
                # That there is no room is told here, and not to whoever reads.
                self._file.flush()
                self._size, self._last = self._file.tell(), []


def discard(file: IO[bytes]) -> None:
    """Close a file that nobody reads any more, whether or not there was room for it."""
    with suppress(OSError):
        file.close()
