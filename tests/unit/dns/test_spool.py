"""A spool returns its items in order, from memory and from its file."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailfleet.dns.checks import spool
from mailfleet.dns.checks.spool import Spool


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_BATCH", 4)
    monkeypatch.setattr(spool, "_IN_MEMORY", 100)


def test_items_can_be_read_repeatedly_and_while_more_are_added() -> None:
    items = Spool(map(str, range(10)))
    reader = iter(items)
    assert [next(reader) for _ in range(3)] == ["0", "1", "2"]
    assert list(items) == [str(number) for number in range(10)]
    items.extend(["10", "11"])
    assert list(reader) == [str(number) for number in range(3, 12)]


def test_added_items_may_be_computed_from_present_ones() -> None:
    items = Spool(range(10))

    def total() -> Iterator[int]:
        yield sum(items)

    items.extend(total())
    assert list(items) == [*range(10), 45]


# The file size limit stands for a full disk.
_NO_ROOM = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))
from mailfleet.dns.checks.spool import NoRoomError, Spool
many = list(map(str, range(1_000_000)))
try:
    Spool(many)
except NoRoomError as error:
    print(error.filename, error.strerror, sep=": ")
"""


@pytest.mark.parametrize(
    ("room", "message"),
    [
        pytest.param(2 << 20, "{}: File too large", id="some"),
        pytest.param(0, "TMPDIR: No usable temporary directory found in ['{}', ", id="none"),
    ],
)
def test_full_disk_raises_one_error_that_names_the_directory(
    tmp_path: Path, room: int, message: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _NO_ROOM.format(room=room)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith(message.format(tmp_path))
    assert done.stderr == ""
