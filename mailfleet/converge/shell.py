"""The shell that changes hosts: parts shipped beside this module, put together per step."""

import shlex
from collections.abc import Iterable
from importlib.resources import files
from typing import Literal

_DIRECTORY = files("mailfleet.converge")
_PARTS = {
    name: _DIRECTORY.joinpath(f"{name}.sh").read_text(encoding="utf-8")
    for name in ("prelude", "activate", "follow")
}


def script(
    part: Literal["activate", "follow"] | None, component: str, step: str, lines: Iterable[str]
) -> str:
    """POSIX shell: the prelude, one part with its functions, and the lines that call them.
    Without a part the lines are other programs' business, with the usual file modes.

    `step` says in the lock and in the log of the host what is being done. The script shows in the
    process list of the host: secrets go to it on standard input."""
    return "\n".join(
        [
            f"component={shlex.quote(component)}",
            f"step={shlex.quote(step)}",
            _PARTS["prelude"],
            _PARTS[part] if part else "umask 022",
            *lines,
        ]
    )
