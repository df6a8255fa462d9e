"""How the contents of changed files differ, as unified diffs without secrets."""

import difflib
import re
from collections.abc import Mapping

from mailfleet.converge.bundle import File

_KEY = re.compile(r'^([ +-]\s*(?:- )?"?[A-Za-z_]{1,40}"?:)(?:\s.*)?$')
_MASK = "********"


def unified(item: File, former: bytes) -> tuple[str, ...]:
    """From what is on the host to what is described. Of files that hold secrets only the keys of
    lines are shown: what was written by hand may be a secret as well."""
    lines = difflib.unified_diff(
        former.decode(errors="replace").splitlines(),
        item.content.decode(errors="replace").splitlines(),
        lineterm="",
        n=0 if item.secret else 2,
    )
    shown = list(lines)[2:]
    return tuple(_masked(line) for line in shown) if item.secret else tuple(shown)


def _masked(line: str) -> str:
    if line.startswith("@@"):
        return line
    if match := _KEY.match(line):
        return f"{match[1]} {_MASK}"
    return f"{line[:1]} {_MASK}"


def of_files(items: Mapping[str, File], former: Mapping[str, bytes]) -> dict[str, tuple[str, ...]]:
    """Path -> diff, for those files that were read."""
    return {path: unified(items[path], content) for path, content in former.items()}
