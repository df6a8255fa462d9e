"""Several questions to a host whose whole answers are wanted, in one round trip."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyinfra.api.facts import FactBase
from typing_extensions import override

from mailfleet.checks.run_parallel import run_parallel

SECONDS = 20
"""How long a command may take; then its exit status is 124 (timeout(1))."""
_LINE_CHARACTERS = 65_536
"""A multiple of four. paramiko's time for a line grows with the square of its length."""
_LINE = re.compile(r"([^\t]+)\t(\d*)\t((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3}={1,2})?)")
"""Name, exit status, a part of the output by base64 (RFC 4648)."""


@dataclass(frozen=True)
class Section:
    """Exit status and output of one command; its errors are part of the output."""

    code: int
    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


class Sections(FactBase[dict[str, Section]]):
    """Commands, run side by side: name -> section. Names are plain words."""

    @override
    def command(self, commands: Mapping[str, str]) -> str:
        lines = run_parallel(commands.values(), SECONDS)
        for number, name in enumerate(commands):
            lines.append(
                # An empty part tells of a command that said nothing.
                f"{{ base64 -w {_LINE_CHARACTERS} $directory/{number}.out; echo; }} | "
                f'sed "s/^/{name}\\t$(cat $directory/{number}.status)\\t/"'
            )
        return "\n".join(lines)

    @override
    def process(self, output: Sequence[str]) -> dict[str, Section]:
        codes: dict[str, int] = {}
        said: dict[str, list[bytes]] = {}
        # Other lines are what a shell's start-up files print.
        for name, code, encoded in (it.groups() for it in map(_LINE.fullmatch, output) if it):
            codes[name] = int(code or 1)
            said.setdefault(name, []).append(base64.b64decode(encoded))
        return {
            name: Section(codes[name], b"".join(parts).decode(errors="replace"))
            for name, parts in said.items()
        }
