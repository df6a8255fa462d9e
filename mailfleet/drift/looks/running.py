"""Units and services: overridden, standing still, or older than the files that they read."""

import shlex
from collections.abc import Iterator, Mapping

from mailfleet.converge.bundle import Bundle, Project, Unit
from mailfleet.converge.observe import STATE_DIRECTORY
from mailfleet.drift import judges
from mailfleet.drift.look import DOCKER, Look
from mailfleet.drift.looks import containers


def looks(bundles: Mapping[str, Bundle]) -> Iterator[Look]:
    units = [unit.name for bundle in bundles.values() for unit in bundle.units]
    if units:
        directory = "/etc/systemd/system/"
        described = sorted(
            item.path
            for bundle in bundles.values()
            for item in bundle.files
            if item.path.startswith(directory)
        )
        name = "overrides and timers"
        yield Look("base", name, (_states(*units),), judges.overrides_and_timers, described)
    for bundle in bundles.values():
        for unit in bundle.units:
            if unit.fed_by:
                yield _unit(bundle, unit)
        if bundle.project:
            yield from _project(bundle, bundle.project)


def _unit(bundle: Bundle, unit: Unit) -> Look:
    remedy = f"`systemctl reload-or-restart {unit.name}`"
    return _older(bundle, unit.name, unit.name, unit.fed_by, remedy, _states(unit.name))


def _project(bundle: Bundle, project: Project) -> Iterator[Look]:
    remedy = f"`docker compose restart` in {project.directory}"
    records = {project.mounts_record: project.mounted}
    if project.reload:
        records[project.reload_record] = project.reload_on
    for record, files in records.items():
        if files:
            yield _older(bundle, project.name, record, files, remedy, containers.QUESTION, DOCKER)


def _older(
    bundle: Bundle,
    name: str,
    record: str,
    files: tuple[str, ...],
    remedy: str,
    since: str,
    needs: str = "",
) -> Look:
    """At when files were touched, when a deploy last made what reads them follow, and since when
    that runs: a unit, or the containers of a project."""
    path = f"{STATE_DIRECTORY}/applied/{bundle.component}/{record}"
    # Files that are gone, or a record that never was, are told of elsewhere.
    touched = (
        f"stat -c 'file|%Z|%n' -- {shlex.join(sorted(files))} 2>/dev/null\n"
        f"stat -c 'record|%Y|%n' -- {shlex.quote(path)} 2>/dev/null || true"
    )
    service = {
        "name": name,
        "record": path,
        "files": list(files),
        "remedy": remedy,
        "is_project": needs == DOCKER,
    }
    about = f"what {name} reads, {record}"
    commands = (touched, since)
    return Look(bundle.component, about, commands, judges.older, service, needs=needs, reads=files)


def _states(*units: str) -> str:
    """Shell that tells of units their state, since when, and what overrides them."""
    return (
        "systemctl show --timestamp=unix -p Id,SubState,StateChangeTimestamp,DropInPaths -- "
        f"{shlex.join(units)} | sed 's/^/unit|/'"
    )
