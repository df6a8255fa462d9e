"""Editing the decrypted text in the operator's editor, without leaving it anywhere."""

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from mailfleet.secrets import document
from mailfleet.secrets.age import AgeStore
from mailfleet.secrets.errors import InvalidDocumentError, SecretsError
from mailfleet.secrets.value import Secret

_HEADER = """\
# One "name: value" per line; values of several lines as blocks (name: |). Quote numbers, yes, no.
# Comments are not kept. An empty file changes nothing.
"""
_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Changes:
    """Names only."""

    added: list[str]
    changed: list[str]
    removed: list[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def edit(store: AgeStore, reopen: Callable[[str], bool]) -> Changes:
    """Lets the operator edit all values and writes those that differ.

    `reopen` is told what is wrong with the edited text and says whether to open it again. Raises
    SecretsError when the editor fails or the operator gives up; the store is then as before.
    Values that another process writes meanwhile stay, unless the operator changed the same ones.
    """
    before = {name: store.get(name) for name in store.names()}
    with _private_file(_HEADER + (document.dump(before) if before else "")) as path:
        after = _edited(path, reopen)
    # An editor that lost the text must not empty the store.
    changes = _compare(before, after) if after else Changes([], [], [])
    if changes:
        changed = {name: after[name] for name in [*changes.added, *changes.changed]}
        store.update(changed, remove=changes.removed)
    return changes


def _edited(path: Path, reopen: Callable[[str], bool]) -> dict[str, Secret]:
    while True:
        _run_editor(path)
        try:
            return document.parse(_text(path), "the edited text")
        except InvalidDocumentError as error:
            problem = str(error)
        if not reopen(problem):
            raise SecretsError("editing was given up; the secrets are as they were before")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        pass
    raise InvalidDocumentError("the edited text is gone or not UTF-8")


def _run_editor(path: Path) -> None:
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        subprocess.run([*shlex.split(command), str(path)], check=True)
    except (OSError, ValueError):
        raise SecretsError(f"cannot start the editor `{command}`: set EDITOR") from None
    except subprocess.CalledProcessError as error:
        raise SecretsError(
            f"the editor `{command}` ended with status {error.returncode}; "
            "the secrets are as they were before"
        ) from None


@contextmanager
def _private_file(text: str) -> Iterator[Path]:
    # A directory of its own, as editors put swap and backup files beside the text; in memory
    # where possible, as removing a file does not erase it from a disk.
    parent = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with _ending_by_signal():
        directory = Path(tempfile.mkdtemp(prefix="mailfleet-", dir=parent))
        try:
            path = directory / "secrets.yaml"
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
            yield path
        finally:
            shutil.rmtree(directory)


@contextmanager
def _ending_by_signal() -> Iterator[None]:
    """A closed terminal or a kill runs the clean-up as well."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    former = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _compare(before: dict[str, Secret], after: dict[str, Secret]) -> Changes:
    return Changes(
        added=sorted(set(after) - set(before)),
        changed=sorted(name for name in set(after) & set(before) if after[name] != before[name]),
        removed=sorted(set(before) - set(after)),
    )
