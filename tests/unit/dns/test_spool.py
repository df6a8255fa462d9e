"""Spools: what was put in comes out, in order, also in another process."""

import io
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
    monkeypatch.setattr(spool, "_AT_ONCE", 4)
    monkeypatch.setattr(spool, "_IN_MEMORY", 100)


def test_items_are_read_as_often_as_wanted_while_more_come() -> None:
    items = Spool(map(str, range(10)))
    reader = iter(items)
    assert [next(reader) for _ in range(3)] == ["0", "1", "2"]
    assert list(items) == [str(number) for number in range(10)]
    items.extend(["10", "11"])
    assert list(reader) == [str(number) for number in range(3, 12)]


def test_what_is_added_may_follow_from_what_is_there() -> None:
    items = Spool(range(10))

    def total() -> Iterator[int]:
        yield sum(items)

    items.extend(total())
    assert list(items) == [*range(10), 45]


@pytest.mark.parametrize("count", [0, 1, 4, 1000])
def test_items_of_another_process_come_after_ones_own(count: int) -> None:
    pipe = io.BytesIO()
    for first in (100, 200):
        Spool(range(first, first + count)).send(pipe)
    pipe.seek(0)
    items = Spool([1, 2])
    items.receive(pipe)
    items.append(3)
    items.receive(pipe)
    theirs = [list(range(first, first + count)) for first in (100, 200)]
    assert list(items) == [1, 2, *theirs[0], 3, *theirs[1]]


# A limit of the size of files stands for a full disk.
_NO_ROOM = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))
from mailfleet.dns.checks.parts import elsewhere
from mailfleet.dns.checks.spool import NoRoomError, Spool
many = list(map(str, range(1_000_000)))
try:
    {write}
except NoRoomError as error:
    print(error.filename, error.strerror, sep=": ")
"""


@pytest.mark.parametrize(
    "write", ["Spool(many)", "elsewhere('this', [many]).__enter__()"], ids=["spool", "process"]
)
@pytest.mark.parametrize(
    ("room", "told"),
    [
        pytest.param(2 << 20, "{}: File too large", id="some"),
        pytest.param(0, "TMPDIR: No usable temporary directory found in ['{}', ", id="none"),
    ],
)
def test_no_room_is_told_once_and_where(tmp_path: Path, write: str, room: int, told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _NO_ROOM.format(room=room, write=write)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith(told.format(tmp_path))
    assert done.stderr == ""
