"""Results of a check of many domains, kept in temporary files so that memory stays bounded."""

import os
import pickle
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Generic, TypeVar

Item = TypeVar("Item")

_BATCH = 256
"""Items pickled together: they share equal parts."""
_IN_MEMORY = 1 << 20
"""Bytes kept in memory before a file is created: most fleets never need one."""


class NoRoomError(OSError):
    """No temporary file can be written. `filename` is the directory for temporary files."""


@contextmanager
def _temporary_files() -> Iterator[None]:
    """Around writes to temporary files, whose errors name no file. Raises NoRoomError."""
    try:
        yield
    except OSError as error:
        # tempdir stays unset while no directory is usable; the message lists those tried.
        raise NoRoomError(error.errno, error.strerror, tempfile.tempdir or "TMPDIR") from None


class Spool(Generic[Item]):
    """Items in order of arrival. Can be read any number of times, also while items are added.
    Raises NoRoomError."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        # No context manager: a spool outlives the run that fills it.
        weakref.finalize(self, _close, self._file)
        self._size = 0
        self._last: list[Item] = []
        self.extend(items)

    def append(self, item: Item) -> None:
        self._last.append(item)
        if len(self._last) == _BATCH:
            self._write()

    def extend(self, items: Iterable[Item]) -> None:
        for item in items:
            self.append(item)

    def __iter__(self) -> Iterator[Item]:
        position = 0
        while position < self._size:
            # Another reader may have moved the file's position.
            self._file.seek(position)
            items: list[Item] = pickle.load(self._file)
            position = self._file.tell()
            yield from items
        yield from self._last

    def _write(self) -> None:
        with _temporary_files():
            self._file.seek(0, os.SEEK_END)
            pickle.dump(self._last, self._file, pickle.HIGHEST_PROTOCOL)
            # Reports a full disk here, and not to a reader.
            self._file.flush()
            self._size, self._last = self._file.tell(), []


def _close(file: IO[bytes]) -> None:
    """Close the file; after a full disk closing fails again."""
    with suppress(OSError):
        file.close()
