"""Units and compose project of a bundle: started from the current files, rolled back on failure."""

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
"""Time limit of all tries of a gate. Containers are healthy by then: a gate needs few tries."""


def _unit_is_running(unit: Unit, observed: Observation) -> bool:
    properties = observed.units.get(unit.name, {})
    return (
        properties.get("ActiveState") == "active"
        and properties.get("UnitFileState") in ("enabled", "static", "generated", "enabled-runtime")
        and properties.get("NeedDaemonReload") == "no"
    )


def _is_effective(unit: Unit, bundle: Bundle, observed: Observation) -> bool:
    return not unit.is_effective or observed.fact(bundle.component, unit.name) == "yes"


def _project_is_running(project: Project, bundle: Bundle, observed: Observation) -> bool:
    """Whether every service runs, is healthy and was created from the current files, and no other
    container of the project runs."""
    containers = [item for item in observed.containers if item.project == project.name]
    return {item.service for item in containers} == set(project.services) and all(
        item.healthy
        and observed.applied.get(f"{bundle.component}/{project.name}@{item.service}")
        == item.config_hash
        for item in containers
    )


def _unit_step(unit: Unit, restart_needed: bool) -> str:
    return shlex.join(["unit", unit.name, unit.on_change if restart_needed else "keep"])


def _project_steps(project: Project, stale: set[str]) -> list[str]:
    up = ["up", project.directory, str(project.wait_seconds)]
    # Compose compares its own file only, not the files that are mounted into containers.
    lines = [shlex.join([*up, "--force-recreate"] if project.mounts_record in stale else up)]
    if project.reload and project.reload_record in stale:
        lines.append(f"( {project.reload}\n)")
    return lines


def _gates(bundle: Bundle) -> list[str]:
    """Shell lines that run the gates. The command comes as a here-document: it needs no quoting."""
    project = bundle.project
    on_failure = f" || {shlex.join(['last_lines', project.directory])}" if project else ""
    return [
        f"{shlex.join(['gate', str(_GATE_SECONDS), str(gate.seconds), gate.name, gate.remedy])} "
        f"<<'END_OF_GATE'{on_failure}\n{gate.command}\nEND_OF_GATE"
        for gate in bundle.gates
    ]


def _records(bundle: Bundle, names: Iterable[str]) -> list[str]:
    inputs = bundle.service_inputs
    return [
        shlex.join(["record", name, bundle.fingerprint(inputs[name])])
        for name in names
        if name in inputs
    ]


def _script(bundle: Bundle, steps: list[str]) -> str:
    """Run the steps; if one fails, restore the previous files and apply them to the services."""
    return script(
        "follow",
        bundle.component,
        "services",
        [
            "apply_services() {",
            "set -e",
            *steps,
            "}",
            "reapply() {",
            "set -e",
            *_rollback_steps(bundle),
            "}",
            # A function called in a condition would ignore `set -e`; a subshell in the background
            # keeps it.
            "(apply_services) & if wait $!; then finish; exit 0; fi",
            "if has_previous_files; then",
            "  restore",
            "  (reapply) & wait $! && "
            'say "rolled back $component: previous files restored, services healthy" ||'
            ' say "rolled back $component: previous files restored, but its services are "'
            '"not healthy"',
            "else",
            '  say "there is no previous state of $component to roll back to"',
            "fi",
            "exit 1",
        ],
    )


def steps_of(bundle: Bundle, observed: Observation) -> list[str]:
    """Shell lines that apply the current files to units and project and run the gates; empty when
    nothing is stale. Files are recorded as applied only after every gate has passed."""
    stale = stale_services(bundle, observed)
    steps: list[str] = []
    records: list[str] = []
    for unit in bundle.units:
        restart_needed = unit.name in stale or not _is_effective(unit, bundle, observed)
        if restart_needed or not _unit_is_running(unit, observed):
            steps.append(_unit_step(unit, restart_needed))
            records += _records(bundle, [unit.name])
    project = bundle.project
    if project:
        names = (project.name, project.mounts_record, project.reload_record)
        if stale & set(names) or not _project_is_running(project, bundle, observed):
            steps += _project_steps(project, stale)
            records += [shlex.join(["hashes", project.name]), *_records(bundle, names)]
    return [*steps, *_gates(bundle), *records] if steps else []


def _rollback_steps(bundle: Bundle) -> list[str]:
    """Shell lines that apply the previous files to units and project."""
    steps = [shlex.join(["restore_unit", unit.name, unit.on_change]) for unit in bundle.units]
    if bundle.project:
        up = ["up", bundle.project.directory, str(bundle.project.wait_seconds)]
        steps.append(shlex.join([*up, "--force-recreate"] if bundle.project.mounted else up))
        if bundle.project.reload:
            steps.append(f"( {bundle.project.reload}\n)")
    return steps


@operation()
def services(bundle: Bundle) -> Generator[StringCommand, None, None]:
    """Start, restart or reload the units and the compose project of a bundle whose files changed.

    + bundle: desired state of the component on this host
    """
    steps = steps_of(bundle, observe(host))
    if not steps:
        host.noop(f"services of {bundle.component} run the desired files")
        return
    yield StringCommand(_script(bundle, steps))
    forget(host)
