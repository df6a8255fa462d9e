"""What is wrong with a fleet's settings, all of it at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailfleet.fleet.origin import DEFAULT

if TYPE_CHECKING:
    from mailfleet.fleet.fleet import Host


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake: where it stands, what is wrong, what to do."""

    where: str
    """The file and line, such as `group_data/postal.py:12`, or `host postal1`."""
    key: str
    message: str

    def __str__(self) -> str:
        return (
            f"{self.where}: {self.key}: {self.message}"
            if self.key
            else (f"{self.where}: {self.message}")
        )


class SettingsError(Exception):
    """Raised before any host is touched; carries every problem of the whole fleet."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(set(problems))
        count = len(self.problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        noun = "problem" if count == 1 else "problems"
        super().__init__(f"{count} {noun} in the settings, no host was touched:\n{lines}")


def problem_at(host: Host, key: str, message: str) -> Problem:
    """A problem of one host's settings, where the key was written if it was."""
    origin = host.origins.get(key, "")
    return Problem(f"host {host.name}" if origin in ("", DEFAULT) else origin, key, message)
