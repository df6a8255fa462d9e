"""Several questions to a host whose whole answers are wanted, in one round trip."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyinfra.api.facts import FactBase
from typing_extensions import override

from mailfleet.health.side_by_side import side_by_side

SECONDS = 20
"""How long a command may take; then its exit status is 124 (timeout(1))."""
_MOST_BYTES = 262_144
_LINE = re.compile(r"([^\t]+)\t(\d*)\t((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3}={1,2})?)")
"""Name, exit status, output by base64 (RFC 4648)."""


@dataclass(frozen=True)
class Section:
    """Exit status and output of one command; its errors are part of the output."""

    code: int
    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


class Sections(FactBase[dict[str, Section]]):
    """Commands, run side by side: name -> section. Of a long output the end is kept."""

    @override
    def command(self, commands: Mapping[str, str]) -> str:
        lines = side_by_side(commands.values(), SECONDS)
        for number, name in enumerate(commands):
            lines.append(
                f"printf '%s\\t%s\\t%s\\n' '{name}' \"$(cat $directory/{number}.status)\" "
                f'"$(tail -c {_MOST_BYTES} $directory/{number}.out | base64 -w 0)"'
            )
        return "\n".join(lines)

    @override
    def process(self, output: Sequence[str]) -> dict[str, Section]:
        found = {}
        # Other lines are what a shell's start-up files print.
        for name, code, encoded in (it.groups() for it in map(_LINE.fullmatch, output) if it):
            text = base64.b64decode(encoded).decode(errors="replace")
            found[name] = Section(int(code or 1), text)
        return found
