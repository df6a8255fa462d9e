"""The desired state of one component on one host: files, packages, units and a compose project.

A bundle is plain data, computed whole on the control machine. Operations, dry runs, diffs and tests
read it; nothing in this module touches a host.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from mailfleet.checks.gates import Gate


@dataclass(frozen=True)
class File:
    """A regular file. Owners are numeric: the users that matter live inside containers."""

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    secret: bool = False
    """The content never appears in diffs."""

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Directory:
    """A directory; in an owned one every file that is not in the bundle is removed."""

    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    owned: bool = False


@dataclass(frozen=True)
class Check:
    """How the real consumer checks staged files before they are installed.

    `command` is POSIX shell, run only when one of `files` changes. `$stage` is a directory that
    holds the whole bundle under its final paths. A non-zero exit status rejects the change."""

    files: tuple[str, ...]
    command: str
    consumer: str
    """Named in the message when it rejects the files, such as `sshd -t`."""


@dataclass(frozen=True)
class StateCheck:
    """A state that is neither a file nor a unit: one command checks it, another one fixes it."""

    name: str
    check: str
    """Shell whose output is compared with `expected`, word by word."""
    expected: str
    fix: str
    """Shell that brings the state about."""


@dataclass(frozen=True)
class Unit:
    """A systemd unit that is enabled and active, and restarted when a file it reads changes."""

    name: str
    depends_on: tuple[str, ...] = ()
    on_change: Literal["restart", "reload"] = "restart"
    is_effective: str = ""
    """Shell that prints `yes` while the effect of the unit lasts, where systemd does not know."""


@dataclass(frozen=True)
class Project:
    """A compose project in its own directory, with the file `compose.yaml`."""

    name: str
    directory: str
    services: tuple[str, ...]
    """Services that must run (not those behind a profile)."""
    mounted: tuple[str, ...] = ()
    """Files that the services read when they start, besides the compose file."""
    reload: str = ""
    """Shell that makes the running services reload `reload_on`, without a restart."""
    reload_on: tuple[str, ...] = ()
    wait_seconds: int = 180

    @property
    def compose_file(self) -> str:
        return f"{self.directory}/compose.yaml"

    @property
    def mounts_record(self) -> str:
        return f"{self.name}.mounts"

    @property
    def reload_record(self) -> str:
        return f"{self.name}.reload"


@dataclass(frozen=True)
class Bundle:
    """The desired state of one component on one host."""

    component: str
    packages: tuple[str, ...] = ()
    directories: tuple[Directory, ...] = ()
    files: tuple[File, ...] = ()
    absent: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    conditions: tuple[StateCheck, ...] = ()
    units: tuple[Unit, ...] = ()
    project: Project | None = None
    gates: tuple[Gate, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    """Further queries to the host: name -> shell command."""

    def file(self, path: str) -> File:
        """Raises KeyError for a path that is not in the bundle."""
        return {item.path: item for item in self.files}[path]

    def fingerprint(self, paths: Iterable[str]) -> str:
        """One hash over the content, mode and owner of some of the bundle's files."""
        digest = hashlib.sha256()
        for path in sorted(paths):
            item = self.file(path)
            digest.update(f"{path} {item.mode:o} {item.uid} {item.gid} {item.sha256}\n".encode())
        return digest.hexdigest()

    @property
    def service_inputs(self) -> dict[str, tuple[str, ...]]:
        """Name of each applied record -> the files whose change makes it stale."""
        inputs = {unit.name: unit.depends_on for unit in self.units}
        if self.project:
            inputs[self.project.name] = (self.project.compose_file,)
            inputs[self.project.mounts_record] = self.project.mounted
            if self.project.reload:
                inputs[self.project.reload_record] = self.project.reload_on
        return inputs
