"""Unified diffs of files, with secrets masked: for `--diff` of a deploy and for drift."""

import difflib
import re

from mailfleet.converge.bundle import File

_KEY = re.compile(r'^([ +-]\s*(?:- )?"?[A-Za-z_]{1,40}"?:)(?:\s.*)?$')
_MASK = "********"


def unified(desired: File, observed: bytes) -> tuple[str, ...]:
    """Lines of a unified diff from the content on the host to the desired one. Of a file that holds
    secrets only keys are shown: what was written into it by hand may be a secret as well."""
    lines = difflib.unified_diff(
        observed.decode(errors="replace").splitlines(),
        desired.content.decode(errors="replace").splitlines(),
        lineterm="",
        n=0 if desired.secret else 2,
    )
    # Without the two lines that name the files.
    hunks = list(lines)[2:]
    return tuple(_masked(line) for line in hunks) if desired.secret else tuple(hunks)


def _masked(line: str) -> str:
    if line.startswith("@@"):
        return line
    if match := _KEY.match(line):
        return f"{match[1]} {_MASK}"
    return f"{line[:1]} {_MASK}"
