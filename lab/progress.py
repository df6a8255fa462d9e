"""Says what the lab is doing: one line per step, with the time since the start."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]


class Progress:
    def __init__(self, say: Say) -> None:
        self._say = say
        self._start = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._start

    def note(self, text: str) -> None:
        self._say(f"[{self.elapsed:5.1f}s] {text}")

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Announce a step that takes a while, and its end."""
        self.note(f"{text} ...")
        start = time.monotonic()
        yield
        self.note(f"{text}: done in {time.monotonic() - start:.1f} s")
