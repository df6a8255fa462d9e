"""Units and services: overridden, standing still, or older than the files that they read."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from mailfleet.converge.bundle import Bundle
from mailfleet.converge.observe import STATE_DIRECTORY, Observation, units
from mailfleet.converge.plan import file_changes
from mailfleet.drift.finding import Difference, Kind
from mailfleet.drift.look import Look, docker_runs
from mailfleet.drift.looks.containers import Container

_SLACK_SECONDS = 2
"""Times of files, units and containers are read with less than a second's precision."""


def question(bundles: Mapping[str, Bundle]) -> str:
    """Shell that tells when files of services were touched, when a deploy last made a service
    follow, and of all units their state, since when, and what overrides them."""
    services = list(_services(bundles))
    files = {path for _, service in services for path in service.files}
    units = [unit.name for bundle in bundles.values() for unit in bundle.units]
    lines = []
    if files:
        lines.append(f"stat -c 'file|%Z|%n' -- {shlex.join(sorted(files))} 2>/dev/null")
        records = shlex.join(_record(bundle, service) for bundle, service in services)
        lines.append(f"stat -c 'record|%Y|%n' -- {records} 2>/dev/null")
    if units:
        lines.append(
            "systemctl show --timestamp=unix -p Id,SubState,StateChangeTimestamp,DropInPaths -- "
            f"{shlex.join(units)} | sed 's/^/unit|/'"
        )
    return "\n".join(lines)


def looks(bundles: Mapping[str, Bundle], question: str) -> Iterator[Look]:
    """`question` is that of all services, and of the containers."""
    described = {item.path for bundle in bundles.values() for item in bundle.files}
    yield Look(
        "base",
        "overrides and timers",
        question,
        lambda lines: overrides_and_timers(lines, described),
    )
    for bundle, service in _services(bundles):
        yield Look(
            bundle.component,
            f"what {service.name} reads, {service.record}",
            question,
            partial(older, service=service, record=_record(bundle, service)),
            applies=partial(_is_settled, bundle, service),
        )


def overrides_and_timers(lines: Sequence[str], described: set[str]) -> Iterator[Difference]:
    """Drop-ins by hand change what a unit does; a timer that has elapsed never fires again."""
    for unit, properties in _states(lines):
        for path in properties.get("DropInPaths", "").split():
            if path.startswith(("/etc/", "/run/")) and path not in described:
                remedy = f"`systemctl revert {unit}`, or remove {path} and reload systemd"
                yield Difference(Kind.UNIT, unit, "as described", f"overridden by {path}", remedy)
        if unit.endswith(".timer") and properties.get("SubState") == "elapsed":
            remedy = f"`systemctl restart {unit}`"
            yield Difference(Kind.TIMER, unit, "a next run", "elapsed for good", remedy)


def _services(bundles: Mapping[str, Bundle]) -> Iterator[tuple[Bundle, "_Service"]]:
    for bundle in bundles.values():
        yield from ((bundle, service) for service in (*_units(bundle), *_containers(bundle)))


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


def _record(bundle: Bundle, service: _Service) -> str:
    return f"{STATE_DIRECTORY}/applied/{bundle.component}/{service.record}"


def older(lines: Sequence[str], service: _Service, record: str) -> Iterator[Difference]:
    """Files that were touched after the service read them, whatever is in them now. The status
    change time counts: mailfleet's own files carry the control machine's modification time."""
    touched: dict[str, float] = {}
    made_to_follow = 0.0
    for line in lines:
        kind, _, rest = line.partition("|")
        at, _, path = rest.partition("|")
        if kind == "file" and path in service.files:
            touched[path] = float(at)
        elif kind == "record" and path == record:
            made_to_follow = float(at)
    started = _started(lines, service)
    if not started:
        return
    # Of several containers, the oldest.
    read = max(made_to_follow, min(started))
    for path, time in touched.items():
        if time > read + _SLACK_SECONDS:
            at = datetime.fromtimestamp(time, UTC).isoformat(" ", "seconds")
            yield Difference(
                Kind.STALE,
                service.name,
                f"started after {path} was last written",
                f"{path} was written later, at {at}",
                service.remedy,
            )


def _started(lines: Sequence[str], service: _Service) -> list[float]:
    """Unix times at which the unit came into its state, or the project's containers started."""
    if service.is_project:
        rows = (line.split("|")[1:] for line in lines if line.startswith("container|"))
        return [
            item.started
            for item in map(Container.parse, rows)
            if item.running and item.project == service.name and not item.console
        ]
    changed = dict(_states(lines)).get(service.name, {}).get("StateChangeTimestamp", "")
    return [float(changed[1:])] if changed.startswith("@") else []


def _states(lines: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Units with their properties."""
    return units(line.removeprefix("unit|") for line in lines if line.startswith("unit|"))
