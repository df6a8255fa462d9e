"""A bundle compared with what was seen of it: what a deploy would put right, in findings."""

from collections.abc import Iterator

from mailfleet.agent import evaluate as judges
from mailfleet.agent.evaluate import DEPLOY
from mailfleet.converge.bundle import Bundle, Project
from mailfleet.converge.observe import CONTAINERS, PACKAGES, UNITS, Container, Observation
from mailfleet.converge.plan import FileChanges, file_changes, services_affected_by
from mailfleet.drift.evaluate import docker_runs
from mailfleet.drift.finding import Difference, Kind
from mailfleet.transport import HANG_REMEDY


def is_deployed(bundle: Bundle, seen: Observation) -> bool:
    """Whether any deploy of the component ever came as far as its files or services."""
    return any(record.startswith(f"{bundle.component}/") for record in seen.applied) or any(
        item.path in seen.paths for item in bundle.files
    )


def differences(bundle: Bundle, seen: Observation) -> Iterator[Difference]:
    """Everything of a bundle that is not so on the host. The contents of changed files are added
    later: they take another look."""
    if bundle.files and not is_deployed(bundle, seen):
        yield Difference(Kind.COMPONENT, bundle.component, "deployed", "never deployed", DEPLOY)
        return
    changes = file_changes(bundle, seen)
    yield from _unanswered(bundle, seen)
    if PACKAGES not in seen.unanswered:
        for name in sorted(set(bundle.packages) - seen.packages):
            yield Difference(Kind.PACKAGE, name, "installed", "not installed", DEPLOY)
    yield from _paths(changes, seen)
    yield from _conditions(bundle, seen)
    if UNITS not in seen.unanswered:
        for unit in bundle.units:
            # Of what gave no answer it is not said that it does not hold.
            unanswered = f"{bundle.component}/{unit.name}" in seen.unanswered
            holds = (
                not unit.is_effective
                or unanswered
                or seen.fact(bundle.component, unit.name) == "yes"
            )
            found = judges.unit(unit.name, seen.units.get(unit.name, {}), holds)
            yield from map(Difference.of, found)
    if bundle.project and docker_runs(seen) and CONTAINERS not in seen.unanswered:
        yield from _project(bundle.project, bundle, seen)
    yield from _not_followed(bundle, changes, seen)


_COMMANDS = {
    PACKAGES: "`dpkg-query --list`",
    UNITS: "`systemctl status`",
    CONTAINERS: "`docker ps`",
}
"""Question -> what tells on the host why it has no answer."""


def _unanswered(bundle: Bundle, seen: Observation) -> Iterator[Difference]:
    """What the host did not tell, by failing or by taking too long: unknown, not absent."""
    asked = {PACKAGES: bundle.packages, UNITS: bundle.units, CONTAINERS: bundle.project}
    for name, command in _COMMANDS.items():
        if asked[name] and name in seen.unanswered:
            yield _unknown(name, f"see on the host what {command} says")
    looks = [item.name for item in bundle.conditions]
    for name in [*looks, *(unit.name for unit in bundle.units if unit.is_effective)]:
        if f"{bundle.component}/{name}" in seen.unanswered:
            yield _unknown(name, HANG_REMEDY)


def _unknown(name: str, remedy: str) -> Difference:
    return Difference.of(judges.unknown(name, "", remedy))


def _paths(changes: FileChanges, seen: Observation) -> Iterator[Difference]:
    for item in changes.files:
        known = seen.paths.get(item.path)
        wanted = f"as described, mode {item.mode:o}, owner {item.uid}:{item.gid}"
        if known is None:
            yield Difference(Kind.FILE, item.path, wanted, "absent", DEPLOY)
            continue
        told = [] if known.kind == "regular file" else [known.kind]
        if known.sha256 != item.sha256:
            told.append("other content")
        if (known.mode, known.uid, known.gid) != (item.mode, item.uid, item.gid):
            told.append(f"mode {known.mode:o}, owner {known.uid}:{known.gid}")
        yield Difference(Kind.FILE, item.path, wanted, "; ".join(told), DEPLOY)
    for directory in changes.directories:
        found = seen.paths.get(directory.path)
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
            "describe it, or deploy again, which removes it",
        )


def _conditions(bundle: Bundle, seen: Observation) -> Iterator[Difference]:
    for condition in bundle.conditions:
        found = seen.fact(bundle.component, condition.name)
        if (
            found.split() == condition.wanted.split()
            or f"{bundle.component}/{condition.name}" in seen.unanswered
        ):
            continue
        wanted_lines, seen_lines = condition.wanted.splitlines(), found.splitlines()
        if len(wanted_lines) == len(seen_lines) > 1:
            differing = [
                pair
                for pair in zip(wanted_lines, seen_lines, strict=True)
                if pair[0].split() != pair[1].split()
            ]
        else:
            differing = [(" ".join(condition.wanted.split()), " ".join(found.split()))]
        for one, other in differing:
            yield Difference(Kind.CONDITION, condition.name, one, other or "nothing", DEPLOY)


def _project(project: Project, bundle: Bundle, seen: Observation) -> Iterator[Difference]:
    """Containers that are missing, not healthy, or made from another compose file."""
    found: dict[str, list[Container]] = {}
    for item in seen.containers:
        if item.project == project.name:
            found.setdefault(item.service, []).append(item)
    for service in project.services:
        name = f"{project.name}/{service}"
        applied = seen.applied.get(f"{bundle.component}/{project.name}@{service}")
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
                    "made from the described compose file",
                    "made from another one",
                    DEPLOY,
                )


def _not_followed(bundle: Bundle, changes: FileChanges, seen: Observation) -> Iterator[Difference]:
    """Files that are in place, but that no deploy made the service follow."""
    about_to_change = services_affected_by(bundle, changes)
    for name, paths in bundle.service_inputs.items():
        applied = seen.applied.get(f"{bundle.component}/{name}")
        if name not in about_to_change and applied != bundle.fingerprint(paths):
            yield Difference(
                Kind.STALE,
                name.partition(".mounts")[0].partition(".reload")[0],
                f"made to follow {', '.join(paths)}" if paths else "set up by a deploy",
                "a deploy was interrupted before it" if applied is None else "follows older files",
                DEPLOY,
            )
