"""What a component wants on a host: files, packages, units and a compose project, as plain data.

A bundle is computed whole on the control machine. Operations, dry runs, diffs and tests all read
it; nothing in here touches a host.
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
    """How the real consumer checks staged files before they are put in place.

    `command` is POSIX shell, run only when one of `files` changes, with `$stage` naming a
    directory that holds the whole bundle under its final paths. Non-zero refuses the change."""

    files: tuple[str, ...]
    command: str
    consumer: str
    """Who says no, such as `sshd -t`; for the message."""


@dataclass(frozen=True)
class Condition:
    """Something that is looked at by a command, and put right by another."""

    name: str
    look: str
    """Shell whose output, without the white space around it, is compared with `wanted`."""
    wanted: str
    repair: str
    """Shell that makes it so."""


@dataclass(frozen=True)
class Unit:
    """A systemd unit that is enabled and active, and follows the files it reads."""

    name: str
    depends_on: tuple[str, ...] = ()
    on_change: Literal["restart", "reload"] = "restart"
    is_effective: str = ""
    """Shell that prints `yes` while what the unit did still holds, where systemd cannot tell."""


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
    """Shell that makes the running services read `reload_on` anew, without a restart."""
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
    """Everything one component wants on one host."""

    component: str
    packages: tuple[str, ...] = ()
    directories: tuple[Directory, ...] = ()
    files: tuple[File, ...] = ()
    absent: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    conditions: tuple[Condition, ...] = ()
    units: tuple[Unit, ...] = ()
    project: Project | None = None
    gates: tuple[Gate, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    """Further things to look at on the host: name -> shell command."""

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
        feeds = {unit.name: unit.depends_on for unit in self.units}
        if self.project:
            feeds[self.project.name] = (self.project.compose_file,)
            feeds[self.project.mounts_record] = self.project.mounted
            if self.project.reload:
                feeds[self.project.reload_record] = self.project.reload_on
        return feeds
