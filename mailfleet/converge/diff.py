"""What `--diff` shows: every changed file of a bundle, never the content of a secret one."""

import base64
import difflib
import shlex
from collections.abc import Sequence

import click
from pyinfra import logger
from pyinfra.api.facts import FactBase
from pyinfra.api.host import Host
from typing_extensions import override

from mailfleet.converge.bundle import Bundle, File
from mailfleet.converge.plan import FileChanges, observe

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


_MOST_BYTES = 1_000_000
"""Whatever was put in place of a configuration file need not come over whole."""


class Contents(FactBase[dict[str, bytes]]):
    """Content of several files: path -> bytes."""

    @override
    def command(self, paths: Sequence[str]) -> str:
        return (
            "\n".join(
                f"echo '##'{shlex.quote(path)}; "
                f"head -c {_MOST_BYTES} -- {shlex.quote(path)} 2>/dev/null | base64"
                for path in paths
            )
            + "\nexit 0"
        )

    @override
    def process(self, output: Sequence[str]) -> dict[str, bytes]:
        encoded: dict[str, list[str]] = {}
        for line in output:
            if line.startswith("##"):
                current = encoded.setdefault(line[2:], [])
            else:
                current.append(line)
        return {path: base64.b64decode("".join(lines)) for path, lines in encoded.items()}


def show_differences(host: Host, bundle: Bundle, changes: FileChanges) -> None:
    """Print what would change, as a unified diff per file."""
    visible = [item.path for item in changes.files if not item.secret]
    former = host.get_fact(Contents, paths=visible) if visible else {}
    seen = observe(host)
    for item in changes.files:
        known = seen.paths.get(item.path)
        attributes = f"mode {item.mode:o}, owner {item.uid}:{item.gid}"
        if known is not None and (known.mode, known.uid, known.gid) != (
            item.mode,
            item.uid,
            item.gid,
        ):
            attributes = f"mode {known.mode:o} -> {item.mode:o}, "
            attributes += f"owner {known.uid}:{known.gid} -> {item.uid}:{item.gid}"
        _print(host, f"{'changes' if known else 'creates'} {item.path} ({attributes})")
        if item.secret:
            if known is None or known.sha256 != item.sha256:
                _print(host, f"  {len(item.content)} bytes, content hidden: it holds secrets")
        else:
            for line in _unified(item, former.get(item.path, b"")):
                _print(host, click.style(f"  {line}", _COLOURS.get(line[:1])))
    for directory in changes.directories:
        _print(host, f"makes directory {directory.path} (mode {directory.mode:o})")
    for path in changes.extra:
        _print(host, f"removes {path}: not in the description")


def _unified(item: File, former: bytes) -> list[str]:
    lines = difflib.unified_diff(
        former.decode(errors="replace").splitlines(),
        item.content.decode(errors="replace").splitlines(),
        lineterm="",
        n=2,
    )
    return list(lines)[2:]


def _print(host: Host, text: str) -> None:
    logger.info(f"{host.print_prefix}{text}")
