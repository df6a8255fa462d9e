"""The plan of a run on one host: its bundles, and the host's state compared with them."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from pyinfra import host as context_host
from pyinfra import state as context_state
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.state import StateStage

from mailfleet.converge.bundle import Bundle, Directory, File
from mailfleet.converge.observe import (
    ANSWER_SECONDS,
    CONTAINERS,
    UNITS,
    Observation,
    SettledState,
    Wanted,
)
from mailfleet.converge.session import RunAbortedError, current_fleet
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.fleet import Host as FleetHost
from mailfleet.transport import HANG_REMEDY


@dataclass
class HostPlan:
    """What this run wants on one host, and what was last seen there."""

    bundles: dict[str, Bundle]
    observation: Observation | None = None
    stage: StateStage = StateStage.Setup
    seen_at: float = 0.0


_PLANS: dict[str, HostPlan] = {}
_RENDER: dict[str, Callable[[Fleet, FleetHost], Bundle]] = {}
"""Component -> what makes its bundle, of all deploys of this run so far."""


def set_plan(
    host_name: str,
    bundles: dict[str, Bundle],
    render: Mapping[str, Callable[[Fleet, FleetHost], Bundle]],
) -> None:
    """What a run should make of a host; `render` makes the bundle of a component of another one."""
    _RENDER.update(render)
    _PLANS[host_name] = HostPlan(bundles)


def bundle_of(host: PyinfraHost, component: str) -> Bundle | None:
    """The bundle of a component in this run; None where the host does not carry it."""
    return _PLANS[host.name].bundles.get(component)


FRESH_SECONDS = 10.0
"""With `-y` execution follows the preparation at once; an operator at the prompt takes longer."""


def observe(host: PyinfraHost) -> Observation:
    """The host's state: observed before the run changes anything, once more when changes begin
    unless that follows at once, then only after a change. Raises RunAbortedError while another
    deploy changes it, and where a part of it is unknown: treated as absent, it would be created."""
    known = _PLANS[host.name]
    stage = context_state.current_stage
    now = time.monotonic()
    if known.observation is None or (known.stage != stage and now - known.seen_at > FRESH_SECONDS):
        wanted = Wanted(tuple(known.bundles.values()))
        # Taken before the look: it is as old as its first command.
        known.seen_at = now
        seen: Observation = host.get_fact(SettledState, wanted=wanted)
        if seen.changed_by:
            raise RunAbortedError(
                f"another deploy is changing {host.name}: {seen.changed_by}; try again later"
            )
        if seen.unanswered:
            raise RunAbortedError(_silence(host.name, seen.unanswered))
        known.observation = seen
    known.stage = stage
    return known.observation


def _silence(host_name: str, unanswered: Collection[str]) -> str:
    # Without systemd's answer Docker is not asked.
    if CONTAINERS in unanswered and UNITS not in unanswered:
        return (
            f"Docker on {host_name} does not answer. See there what `docker ps` and "
            "`journalctl -u docker` say; `systemctl restart docker` leaves containers running"
        )
    return (
        f"{host_name}: no answer within {ANSWER_SECONDS} s about {', '.join(sorted(unanswered))}: "
        f"{HANG_REMEDY}"
    )


def forget(host: PyinfraHost) -> None:
    """After a command that changed the host. While changes are only being detected there was no
    such command, and the observation stays good."""
    if context_state.is_executing:
        _PLANS[host.name].observation = None


def file_is_right(item: File, seen: Observation) -> bool:
    path = seen.paths.get(item.path)
    return path is not None and (path.kind, path.sha256, path.mode, path.uid, path.gid) == (
        "regular file",
        item.sha256,
        item.mode,
        item.uid,
        item.gid,
    )


def directory_is_right(item: Directory, seen: Observation) -> bool:
    path = seen.paths.get(item.path)
    return path is not None and (path.kind, path.mode, path.uid, path.gid) == (
        "directory",
        item.mode,
        item.uid,
        item.gid,
    )


def extra_files(bundle: Bundle, seen: Observation) -> list[str]:
    """Files to remove: those named as absent, and strangers in directories the bundle owns."""
    ours = {item.path for item in bundle.files}
    roots = tuple(f"{item.path}/" for item in bundle.directories if item.owned)
    strangers = {path for path in seen.owned - ours if path.startswith(roots)} if roots else set()
    return sorted(strangers | {path for path in bundle.absent if path in seen.paths})


@dataclass(frozen=True)
class FileChanges:
    """What differs between a bundle's files and the host's."""

    files: tuple[File, ...]
    directories: tuple[Directory, ...]
    extra: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.files or self.directories or self.extra)

    @property
    def paths(self) -> set[str]:
        return {item.path for item in self.files} | set(self.extra)


def file_changes(bundle: Bundle, seen: Observation) -> FileChanges:
    return FileChanges(
        tuple(item for item in bundle.files if not file_is_right(item, seen)),
        tuple(item for item in bundle.directories if not directory_is_right(item, seen)),
        tuple(extra_files(bundle, seen)),
    )


def stale_services(bundle: Bundle, seen: Observation) -> set[str]:
    """Records of units and projects that do not run what the bundle says: the last applied
    fingerprint is another one, or files they read are about to change."""
    fed_anew = services_affected_by(bundle, file_changes(bundle, seen))
    return fed_anew | {
        name
        for name, depends_on in bundle.service_inputs.items()
        if seen.applied.get(f"{bundle.component}/{name}") != bundle.fingerprint(depends_on)
    }


def services_affected_by(bundle: Bundle, changes: FileChanges) -> set[str]:
    """Records that some file changes make stale. A stranger beside a file that a service reads,
    such as another file in conf.d, was probably read as well."""
    strangers = {path.rpartition("/")[0] for path in changes.extra}
    return {
        name
        for name, depends_on in bundle.service_inputs.items()
        if changes.paths & set(depends_on)
        or strangers & {path.rpartition("/")[0] for path in depends_on}
    }


def bundle_here(component: str) -> Bundle | None:
    """The bundle of a component for the host that the deploy is at."""
    return bundle_of(context_host, component)


def fleet_here() -> Fleet:
    """The fleet of the run in progress."""
    return current_fleet(context_state)


def observe_fact(host_name: str, component: str, fact: str) -> tuple[str, ...]:
    """A fact of another host, for a component of this deploy; connected to on the spot when
    `--limit` left that host out."""
    other = context_state.inventory.get_host(host_name)
    if host_name not in _PLANS:
        fleet = fleet_here()
        desired = _RENDER[component](fleet, fleet.hosts[host_name])
        _PLANS[host_name] = HostPlan({component: desired})
    return observe(other).facts.get(f"{component}/{fact}", ())
