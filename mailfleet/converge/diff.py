"""What `--diff` shows: every changed file of a bundle, with secrets masked."""

import base64
import shlex
from collections.abc import Iterable, Sequence

import click
from pyinfra import logger
from pyinfra.api.facts import FactBase
from pyinfra.api.host import Host
from typing_extensions import override

from mailfleet.converge.bundle import Bundle, File
from mailfleet.converge.file_diff import unified
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


def contents_of(host: Host, files: Iterable[File]) -> dict[str, bytes]:
    """Path -> content on the host. With -vvv pyinfra prints all that facts read: files that hold
    secrets are left out then."""
    paths = [file.path for file in files if not (file.secret and host.state.print_fact_output)]
    return (host.get_fact(Contents, paths=paths) or {}) if paths else {}


def show_differences(host: Host, bundle: Bundle, changes: FileChanges) -> None:
    """Print what would change, as a unified diff per file."""
    contents = contents_of(host, changes.files)
    observed = observe(host)
    for item in changes.files:
        known = observed.paths.get(item.path)
        attributes = f"mode {item.mode:o}, owner {item.uid}:{item.gid}"
        if known is not None and (known.mode, known.uid, known.gid) != (
            item.mode,
            item.uid,
            item.gid,
        ):
            attributes = f"mode {known.mode:o} -> {item.mode:o}, "
            attributes += f"owner {known.uid}:{known.gid} -> {item.uid}:{item.gid}"
        _print(host, f"{'changes' if known else 'creates'} {item.path} ({attributes})")
        if known is None or item.path in contents:
            for line in unified(item, contents.get(item.path, b"")):
                _print(host, click.style(f"  {line}", _COLOURS.get(line[:1])))
        elif known.sha256 != item.sha256:
            _print(host, "  content hidden: it holds secrets, and -vvv prints what is read")
    for directory in changes.directories:
        _print(host, f"makes directory {directory.path} (mode {directory.mode:o})")
    for path in changes.extra:
        _print(host, f"removes {path}: not in the desired state")


def _print(host: Host, text: str) -> None:
    logger.info(f"{host.print_prefix}{text}")
