"""Services that started before a file they read was last touched."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from mailfleet.converge.bundle import Bundle
from mailfleet.converge.observe import STATE_DIRECTORY, Observation
from mailfleet.converge.plan import file_changes
from mailfleet.drift.finding import Difference, Kind
from mailfleet.drift.look import Look, docker_runs

_SLACK_SECONDS = 2
"""Times of files, units and containers are read with less than a second's precision."""


def looks(bundles: Mapping[str, Bundle]) -> Iterator[Look]:
    for bundle in bundles.values():
        for service in (*_units(bundle), *_containers(bundle)):
            yield Look(
                bundle.component,
                f"what {service.name} reads, {service.record}",
                _command(bundle, service),
                partial(older, service=service),
                applies=partial(_is_settled, bundle, service),
            )


@dataclass(frozen=True)
class _Service:
    """Something that read files when it started, or when a record says it was made to."""

    name: str
    """As in `docker compose` project or systemd unit."""
    record: str
    files: tuple[str, ...]
    remedy: str
    is_project: bool = False


def _units(bundle: Bundle) -> Iterator[_Service]:
    for unit in bundle.units:
        if unit.fed_by:
            remedy = f"`systemctl reload-or-restart {unit.name}`"
            yield _Service(unit.name, unit.name, unit.fed_by, remedy)


def _containers(bundle: Bundle) -> Iterator[_Service]:
    project = bundle.project
    if project and project.mounted:
        remedy = f"`docker compose restart` in {project.directory}"
        yield _Service(project.name, project.mounts_record, project.mounted, remedy, True)
    if project and project.reload:
        remedy = f"`docker compose restart` in {project.directory}"
        yield _Service(project.name, project.reload_record, project.reload_on, remedy, True)


def _is_settled(bundle: Bundle, service: "_Service", seen: Observation) -> bool:
    """Whether it runs as far as Docker is needed, and a deploy would not make it read anew."""
    about_to_change = file_changes(bundle, seen).paths & set(service.files)
    return not about_to_change and (not service.is_project or docker_runs(seen))


def _command(bundle: Bundle, service: _Service) -> str:
    record = shlex.quote(f"{STATE_DIRECTORY}/applied/{bundle.component}/{service.record}")
    if service.is_project:
        label = "com.docker.compose"
        started = (
            f"docker ps -q --filter label={label}.project={service.name} "
            f"--filter label={label}.oneoff=False | xargs -r docker inspect --format "
            "'container|{{.State.StartedAt}}'"
        )
    else:
        started = (
            'echo "unit|$(systemctl show --timestamp=unix -p StateChangeTimestamp --value '
            f'-- {service.name})"'
        )
    return (
        f"stat -c 'file|%Z|%n' -- {shlex.join(service.files)} 2>/dev/null\n"
        f"[ ! -e {record} ] || stat -c 'record|%Y' -- {record}\n{started}"
    )


def older(lines: Sequence[str], service: _Service) -> Iterator[Difference]:
    """Files that were touched after the service read them, whatever is in them now. The status
    change time counts: mailfleet's own files carry the control machine's modification time."""
    files: dict[str, float] = {}
    started: list[float] = []
    record = 0.0
    for line in lines:
        kind, at, *path = line.split("|", 2)
        if kind == "file":
            files[path[0]] = float(at)
        elif kind == "record":
            record = float(at)
        elif kind == "unit" and at.startswith("@"):
            started.append(float(at[1:]))
        elif kind == "container":
            started.append(datetime.fromisoformat(at[:19] + "+00:00").timestamp())
    if not started:
        return
    # Of several containers, the oldest.
    read = max(record, min(started))
    for path_name, touched in files.items():
        if touched > read + _SLACK_SECONDS:
            at = datetime.fromtimestamp(touched, UTC).isoformat(" ", "seconds")
            yield Difference(
                Kind.STALE,
                service.name,
                f"started after {path_name} was last written",
                f"{path_name} was written later, at {at}",
                service.remedy,
            )
