"""Services that started before a file they read was last touched."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from mailfleet.converge.bundle import Bundle
from mailfleet.converge.observe import STATE_DIRECTORY
from mailfleet.drift.finding import Difference, Kind
from mailfleet.drift.look import Look, docker_runs

_SLACK_SECONDS = 2
"""Times of files, units and containers are read with less than a second's precision."""


def looks(bundles: Mapping[str, Bundle]) -> Iterator[Look]:
    for bundle in bundles.values():
        services = [*_units(bundle), *_containers(bundle)]
        if services:
            yield Look(
                bundle.component,
                "running configuration",
                _command(bundle, services),
                partial(older, services=services),
                applies=docker_runs if bundle.project else lambda seen: True,
            )


@dataclass(frozen=True)
class _Service:
    """Something that read files when it started, or when a record says it was made to."""

    name: str
    """As in `docker compose` project or systemd unit."""
    records: tuple[str, ...]
    files: tuple[str, ...]
    remedy: str


def _units(bundle: Bundle) -> Iterator[_Service]:
    for unit in bundle.units:
        if unit.fed_by:
            remedy = f"`systemctl reload-or-restart {unit.name}`"
            yield _Service(unit.name, (unit.name,), unit.fed_by, remedy)


def _containers(bundle: Bundle) -> Iterator[_Service]:
    project = bundle.project
    if project and project.mounted:
        remedy = f"`docker compose restart` in {project.directory}"
        yield _Service(project.name, (project.mounts_record,), project.mounted, remedy)
    if project and project.reload:
        yield _Service(project.name, (project.reload_record,), project.reload_on, DEPLOY_OR_RESTART)


DEPLOY_OR_RESTART = "`docker compose restart` in its directory, or change the file by a deploy"


def _command(bundle: Bundle, services: Iterable[_Service]) -> str:
    files = sorted({path for service in services for path in service.files})
    records = [
        f"{STATE_DIRECTORY}/applied/{bundle.component}/{name}"
        for service in services
        for name in service.records
    ]
    lines = [
        f"stat -c 'file|%Z|%n' -- {shlex.join(files)} 2>/dev/null",
        f"stat -c 'record|%Y|%n' -- {shlex.join(records)} 2>/dev/null",
        *(
            f'echo "unit|$(systemctl show --timestamp=unix -p StateChangeTimestamp --value '
            f'-- {unit.name})|{unit.name}"'
            for unit in bundle.units
        ),
    ]
    if bundle.project:
        label = "com.docker.compose"
        lines.append(
            f"docker ps -q --filter label={label}.project={bundle.project.name} "
            f"--filter label={label}.oneoff=False | xargs -r docker inspect --format "
            f"'container|{{{{.State.StartedAt}}}}|{bundle.project.name}'"
        )
    return "\n".join([*lines, "true"])


@dataclass
class _Times:
    files: dict[str, float] = field(default_factory=dict)
    records: dict[str, float] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    """Of a project: its oldest container."""


def older(lines: Sequence[str], services: Iterable[_Service]) -> Iterator[Difference]:
    """Files that were touched after the service read them, whatever is in them now. The status
    change time counts: mailfleet's own files carry the control machine's modification time."""
    times = _times(lines)
    for service in services:
        followed = [times.records.get(name, 0.0) for name in service.records]
        if service.name not in times.started:
            continue
        read = max(*followed, times.started[service.name])
        touched = [
            path for path in service.files if times.files.get(path, 0.0) > read + _SLACK_SECONDS
        ]
        for path in touched:
            at = datetime.fromtimestamp(times.files[path]).astimezone().isoformat(" ", "seconds")
            yield Difference(
                Kind.STALE,
                service.name,
                f"started after {path} was last written",
                f"{path} was written later, at {at}",
                service.remedy,
            )


def _times(lines: Sequence[str]) -> _Times:
    times = _Times()
    for line in lines:
        kind, at, name = line.split("|", 2)
        if kind == "file":
            times.files[name] = float(at)
        elif kind == "record":
            times.records[name.rpartition("/")[2]] = float(at)
        elif kind == "unit" and at.startswith("@"):
            times.started[name] = float(at[1:])
        elif kind == "container":
            started = datetime.fromisoformat(at[:19] + "+00:00").timestamp()
            times.started[name] = min(started, times.started.get(name, started))
    return times
