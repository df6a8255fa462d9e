"""Units and compose projects of a bundle: made to run what the files say, rolled back if not."""

import shlex
from collections.abc import Generator, Iterable

from pyinfra import host
from pyinfra.api.command import StringCommand
from pyinfra.api.operation import operation

from mailfleet.converge.bundle import Bundle, Project, Unit
from mailfleet.converge.observe import Observation
from mailfleet.converge.plan import forget, observe, stale_services
from mailfleet.converge.shell import script

_GATE_SECONDS = 30
"""Containers are healthy by then; what a gate asks on top of that comes at once or never."""


def _unit_is_running(unit: Unit, seen: Observation) -> bool:
    properties = seen.units.get(unit.name, {})
    return (
        properties.get("ActiveState") == "active"
        and properties.get("UnitFileState") in ("enabled", "static", "generated", "enabled-runtime")
        and properties.get("NeedDaemonReload") == "no"
    )


def _is_in_force(unit: Unit, bundle: Bundle, seen: Observation) -> bool:
    return not unit.is_effective or seen.fact(bundle.component, unit.name) == "yes"


def _project_is_running(project: Project, bundle: Bundle, seen: Observation) -> bool:
    """Every service runs, is healthy and is what compose made of the files; nothing else runs."""
    containers = [item for item in seen.containers if item.project == project.name]
    return {item.service for item in containers} == set(project.services) and all(
        item.healthy
        and seen.applied.get(f"{bundle.component}/{project.name}@{item.service}")
        == item.config_hash
        for item in containers
    )


def _follow_unit(unit: Unit, anew: bool) -> str:
    return shlex.join(["unit", unit.name, unit.on_change if anew else "keep"])


def _follow_project(project: Project, stale: set[str]) -> list[str]:
    up = ["up", project.directory, str(project.wait_seconds)]
    # Compose sees its own file only, not what the containers read from mounted ones.
    lines = [shlex.join([*up, "--force-recreate"] if project.mounts_record in stale else up)]
    if project.reload and project.reload_record in stale:
        lines.append(f"( {project.reload}\n)")
    return lines


def _gates(bundle: Bundle) -> list[str]:
    """Each reads its command from a here-document, which takes quotes as they are."""
    project = bundle.project
    on_failure = f" || {shlex.join(['last_lines', project.directory])}" if project else ""
    return [
        f"{shlex.join(['gate', str(_GATE_SECONDS), str(gate.seconds), gate.name, gate.remedy])} "
        f"<<'END_OF_GATE'{on_failure}\n{gate.command}\nEND_OF_GATE"
        for gate in bundle.gates
    ]


def _records(bundle: Bundle, names: Iterable[str]) -> list[str]:
    feeds = bundle.service_inputs
    return [
        shlex.join(["record", name, bundle.fingerprint(feeds[name])])
        for name in names
        if name in feeds
    ]


def _script(bundle: Bundle, steps: list[str]) -> str:
    """Do the steps; if one fails, put the former files back and make the services follow those."""
    return script(
        "follow",
        bundle.component,
        "services",
        [
            "follow() {",
            "set -e",
            *steps,
            "}",
            "again() {",
            "set -e",
            *_steps_back(bundle),
            "}",
            # A function called in a condition would ignore `set -e`; a subshell in the background
            # keeps it.
            "(follow) & if wait $!; then finish; exit 0; fi",
            "if had_former_files; then",
            "  restore",
            "  (again) & wait $! && "
            'say "rolled back $component: previous files restored, services healthy" ||'
            ' say "rolled back $component: previous files restored, but its services are "'
            '"not healthy"',
            "else",
            '  say "there is no previous state of $component to roll back to"',
            "fi",
            "exit 1",
        ],
    )


def steps_of(bundle: Bundle, seen: Observation) -> list[str]:
    """Shell lines that make units and project follow their files, and see that all is well; empty
    when they follow. Nothing is recorded as followed before every gate has passed."""
    stale = stale_services(bundle, seen)
    steps: list[str] = []
    records: list[str] = []
    for unit in bundle.units:
        anew = unit.name in stale or not _is_in_force(unit, bundle, seen)
        if anew or not _unit_is_running(unit, seen):
            steps.append(_follow_unit(unit, anew))
            records += _records(bundle, [unit.name])
    project = bundle.project
    if project:
        names = (project.name, project.mounts_record, project.reload_record)
        if stale & set(names) or not _project_is_running(project, bundle, seen):
            steps += _follow_project(project, stale)
            records += [shlex.join(["hashes", project.name]), *_records(bundle, names)]
    return [*steps, *_gates(bundle), *records] if steps else []


def _steps_back(bundle: Bundle) -> list[str]:
    """Shell lines that make everything follow the former files."""
    steps = [shlex.join(["former_unit", unit.name, unit.on_change]) for unit in bundle.units]
    if bundle.project:
        up = ["up", bundle.project.directory, str(bundle.project.wait_seconds)]
        steps.append(shlex.join([*up, "--force-recreate"] if bundle.project.mounted else up))
        if bundle.project.reload:
            steps.append(f"( {bundle.project.reload}\n)")
    return steps


@operation()
def services(bundle: Bundle) -> Generator[StringCommand, None, None]:
    """Make the units and the compose project of a bundle run what its files say.

    + bundle: what the component wants on this host
    """
    steps = steps_of(bundle, observe(host))
    if not steps:
        host.noop(f"services of {bundle.component} run what is described")
        return
    yield StringCommand(_script(bundle, steps))
    forget(host)
