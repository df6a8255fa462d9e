"""Every drift check of a host: those of its components, and those that follow from any bundle."""

import shlex
from collections.abc import Iterator, Mapping

from mailfleet.agent import evaluate
from mailfleet.checks.drift_check import NEEDS_DOCKER, DriftCheck
from mailfleet.components.base.drift import states_of
from mailfleet.components.docker.drift import CONTAINERS
from mailfleet.components.registry import COMPONENTS
from mailfleet.converge.bundle import Bundle, Project, Unit
from mailfleet.converge.observe import STATE_DIRECTORY
from mailfleet.fleet.fleet import Fleet, Host


def drift_checks(fleet: Fleet, host: Host, bundles: Mapping[str, Bundle]) -> Iterator[DriftCheck]:
    """Every drift check of a host that carries these bundles: all that it should carry, whatever
    part is deployed or reported. What one component desires depends on other components only where
    every deploy goes through these: their list on the host is as new as its own."""
    for component in COMPONENTS:
        if component.drift and component.name in bundles:
            yield from component.drift(fleet, host, bundles)
    for bundle in bundles.values():
        yield from _freshness(bundle)


def _freshness(bundle: Bundle) -> Iterator[DriftCheck]:
    """Whether units and services run what their files say: files may have changed since."""
    for unit in bundle.units:
        if unit.depends_on:
            yield _unit(bundle, unit)
    if bundle.project:
        yield from _project(bundle, bundle.project)


def _unit(bundle: Bundle, unit: Unit) -> DriftCheck:
    remedy = f"`systemctl reload-or-restart {unit.name}`"
    return _older(bundle, unit.name, unit.name, unit.depends_on, remedy, states_of(unit.name))


def _project(bundle: Bundle, project: Project) -> Iterator[DriftCheck]:
    remedy = f"`docker compose restart` in {project.directory}"
    records = {project.mounts_record: project.mounted}
    if project.reload:
        records[project.reload_record] = project.reload_on
    for record, files in records.items():
        if files:
            yield _older(bundle, project.name, record, files, remedy, CONTAINERS, NEEDS_DOCKER)


def _older(
    bundle: Bundle,
    name: str,
    record: str,
    files: tuple[str, ...],
    remedy: str,
    since: str,
    needs: str = "",
) -> DriftCheck:
    """Compares three times: files changed, last applied, service started (a unit, or the containers
    of a project)."""
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
        "is_project": needs == NEEDS_DOCKER,
    }
    about = f"what {name} reads, {record}"
    commands = (touched, since)
    return DriftCheck(
        bundle.component, about, commands, evaluate.older, service, needs=needs, reads=files
    )
