"""Differences between a bundle and what was observed of it on a host."""

from collections.abc import Iterator

from mailfleet.agent import evaluate as judges
from mailfleet.agent.evaluate import DEPLOY
from mailfleet.converge.bundle import Bundle, Project
from mailfleet.converge.observe import CONTAINERS, PACKAGES, UNITS, Container, Observation
from mailfleet.converge.plan import FileChanges, file_changes, services_affected_by
from mailfleet.drift.evaluate import docker_runs
from mailfleet.drift.finding import Difference, Kind
from mailfleet.transport import HANG_REMEDY


def is_deployed(bundle: Bundle, observed: Observation) -> bool:
    """Whether any deploy of the component ever came as far as its files or services."""
    return any(record.startswith(f"{bundle.component}/") for record in observed.applied) or any(
        item.path in observed.paths for item in bundle.files
    )


def differences(bundle: Bundle, observed: Observation) -> Iterator[Difference]:
    """Everything of a bundle that differs on the host. Diffs of files are added later: they take
    another query."""
    if bundle.files and not is_deployed(bundle, observed):
        yield Difference(Kind.COMPONENT, bundle.component, "deployed", "never deployed", DEPLOY)
        return
    changes = file_changes(bundle, observed)
    yield from _unanswered(bundle, observed)
    if PACKAGES not in observed.unanswered:
        for name in sorted(set(bundle.packages) - observed.packages):
            yield Difference(Kind.PACKAGE, name, "installed", "not installed", DEPLOY)
    yield from _paths(changes, observed)
    yield from _conditions(bundle, observed)
    if UNITS not in observed.unanswered:
        for unit in bundle.units:
            # Without an answer it is unknown, not ineffective.
            unanswered = f"{bundle.component}/{unit.name}" in observed.unanswered
            holds = (
                not unit.is_effective
                or unanswered
                or observed.fact(bundle.component, unit.name) == "yes"
            )
            found = judges.unit(unit.name, observed.units.get(unit.name, {}), holds)
            yield from map(Difference.of, found)
    if bundle.project and docker_runs(observed) and CONTAINERS not in observed.unanswered:
        yield from _project(bundle.project, bundle, observed)
    yield from _not_followed(bundle, changes, observed)


_COMMANDS = {
    PACKAGES: "`dpkg-query --list`",
    UNITS: "`systemctl status`",
    CONTAINERS: "`docker ps`",
}
"""Query -> command that shows on the host why it has no answer."""


def _unanswered(bundle: Bundle, observed: Observation) -> Iterator[Difference]:
    """Queries that failed or timed out: unknown, not absent."""
    queried = {PACKAGES: bundle.packages, UNITS: bundle.units, CONTAINERS: bundle.project}
    for name, command in _COMMANDS.items():
        if queried[name] and name in observed.unanswered:
            yield _unknown(name, f"run {command} on the host")
    names = [item.name for item in bundle.conditions]
    for name in [*names, *(unit.name for unit in bundle.units if unit.is_effective)]:
        if f"{bundle.component}/{name}" in observed.unanswered:
            yield _unknown(name, HANG_REMEDY)


def _unknown(name: str, remedy: str) -> Difference:
    return Difference.of(judges.unknown(name, "", remedy))


def _paths(changes: FileChanges, observed: Observation) -> Iterator[Difference]:
    for item in changes.files:
        known = observed.paths.get(item.path)
        desired = f"rendered content, mode {item.mode:o}, owner {item.uid}:{item.gid}"
        if known is None:
            yield Difference(Kind.FILE, item.path, desired, "absent", DEPLOY)
            continue
        deviations = [] if known.kind == "regular file" else [known.kind]
        if known.sha256 != item.sha256:
            deviations.append("other content")
        if (known.mode, known.uid, known.gid) != (item.mode, item.uid, item.gid):
            deviations.append(f"mode {known.mode:o}, owner {known.uid}:{known.gid}")
        yield Difference(Kind.FILE, item.path, desired, "; ".join(deviations), DEPLOY)
    for directory in changes.directories:
        found = observed.paths.get(directory.path)
        yield Difference(
            Kind.DIRECTORY,
            directory.path,
            f"mode {directory.mode:o}, owner {directory.uid}:{directory.gid}",
            f"{found.kind}, mode {found.mode:o}, owner {found.uid}:{found.gid}"
            if found
            else "absent",
            DEPLOY,
        )
    for path in changes.extra:
        yield Difference(
            Kind.EXTRA_FILE,
            path,
            "absent",
            "present",
            "add it to the desired state, or deploy again, which removes it",
        )


def _conditions(bundle: Bundle, observed: Observation) -> Iterator[Difference]:
    for condition in bundle.conditions:
        found = observed.fact(bundle.component, condition.name)
        if (
            found.split() == condition.expected.split()
            or f"{bundle.component}/{condition.name}" in observed.unanswered
        ):
            continue
        desired_lines, observed_lines = condition.expected.splitlines(), found.splitlines()
        if len(desired_lines) == len(observed_lines) > 1:
            differing = [
                pair
                for pair in zip(desired_lines, observed_lines, strict=True)
                if pair[0].split() != pair[1].split()
            ]
        else:
            differing = [(" ".join(condition.expected.split()), " ".join(found.split()))]
        for one, other in differing:
            yield Difference(Kind.CONDITION, condition.name, one, other or "nothing", DEPLOY)


def _project(project: Project, bundle: Bundle, observed: Observation) -> Iterator[Difference]:
    """Containers that are missing, not healthy, or made from another compose file."""
    found: dict[str, list[Container]] = {}
    for item in observed.containers:
        if item.project == project.name:
            found.setdefault(item.service, []).append(item)
    for service in project.services:
        name = f"{project.name}/{service}"
        applied = observed.applied.get(f"{bundle.component}/{project.name}@{service}")
        if service not in found:
            yield Difference(Kind.CONTAINER, name, "running", "absent", DEPLOY)
        for item in found.get(service, ()):
            if not item.healthy:
                remedy = f"read `docker compose logs {service}` in {project.directory}, {DEPLOY}"
                yield Difference(Kind.CONTAINER, name, "running", item.status, remedy)
            elif item.config_hash != applied:
                yield Difference(
                    Kind.CONTAINER,
                    name,
                    "made from the desired compose file",
                    "made from another one",
                    DEPLOY,
                )


def _not_followed(
    bundle: Bundle, changes: FileChanges, observed: Observation
) -> Iterator[Difference]:
    """Files that are in place, but that the service has not read since."""
    about_to_change = services_affected_by(bundle, changes)
    for name, paths in bundle.service_inputs.items():
        applied = observed.applied.get(f"{bundle.component}/{name}")
        if name not in about_to_change and applied != bundle.fingerprint(paths):
            yield Difference(
                Kind.STALE,
                name.partition(".mounts")[0].partition(".reload")[0],
                f"made to follow {', '.join(paths)}" if paths else "set up by a deploy",
                "a deploy was interrupted before it" if applied is None else "follows older files",
                DEPLOY,
            )
