"""The plan of a run for each host: its bundles, and their differences from the observed state."""

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
    Desired,
    Observation,
    SettledState,
)
from mailfleet.converge.session import RunAbortedError, current_fleet
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.fleet import Host as FleetHost
from mailfleet.transport import HANG_REMEDY


@dataclass
class HostPlan:
    """The desired state of one host in this run, and its last observed state."""

    bundles: dict[str, Bundle]
    observation: Observation | None = None
    stage: StateStage = StateStage.Setup
    observed_at: float = 0.0


_PLANS: dict[str, HostPlan] = {}
_RENDER: dict[str, Callable[[Fleet, FleetHost], Bundle]] = {}
"""Component -> function that renders its bundle, for all deploys of this run so far."""


def set_plan(
    host_name: str,
    bundles: dict[str, Bundle],
    render: Mapping[str, Callable[[Fleet, FleetHost], Bundle]],
) -> None:
    """Set the desired state of a host; `render` is for the bundles of other hosts."""
    _RENDER.update(render)
    _PLANS[host_name] = HostPlan(bundles)


def bundle_of(host: PyinfraHost, component: str) -> Bundle | None:
    """The bundle of a component in this run; None where the host does not carry it."""
    return _PLANS[host.name].bundles.get(component)


FRESH_SECONDS = 10.0
"""An observation of this age is good enough to begin changes. With `-y` they begin at once; an
operator at the prompt takes longer."""


def observe(host: PyinfraHost) -> Observation:
    """The observed state of a host. Queried before the run changes anything, again when changes
    begin and the observation is older than FRESH_SECONDS, then after each change. Raises
    RunAbortedError while another deploy changes the host, and where a part of its state is
    unknown: treated as absent, it would be created."""
    plan = _PLANS[host.name]
    stage = context_state.current_stage
    now = time.monotonic()
    if plan.observation is None or (plan.stage != stage and now - plan.observed_at > FRESH_SECONDS):
        desired = Desired(tuple(plan.bundles.values()))
        # Taken before the query: an observation is as old as its first command.
        plan.observed_at = now
        observed: Observation = host.get_fact(SettledState, desired=desired)
        if observed.changed_by:
            raise RunAbortedError(
                f"another deploy is changing {host.name}: {observed.changed_by}; try again later"
            )
        if observed.unanswered:
            raise RunAbortedError(_unanswered_message(host.name, observed.unanswered))
        plan.observation = observed
    plan.stage = stage
    return plan.observation


def _unanswered_message(host_name: str, unanswered: Collection[str]) -> str:
    # Docker is not queried without an answer of systemd.
    if CONTAINERS in unanswered and UNITS not in unanswered:
        return (
            f"Docker on {host_name} does not answer. Check `docker ps` and `journalctl -u docker` "
            "there; `systemctl restart docker` leaves containers running"
        )
    return (
        f"{host_name}: no answer within {ANSWER_SECONDS} s about {', '.join(sorted(unanswered))}: "
        f"{HANG_REMEDY}"
    )


def forget(host: PyinfraHost) -> None:
    """Drop the observation of a host after a command changed it. While pyinfra only detects changes
    no command has run, and the observation stays valid."""
    if context_state.is_executing:
        _PLANS[host.name].observation = None


def file_in_sync(item: File, observed: Observation) -> bool:
    path = observed.paths.get(item.path)
    return path is not None and (path.kind, path.sha256, path.mode, path.uid, path.gid) == (
        "regular file",
        item.sha256,
        item.mode,
        item.uid,
        item.gid,
    )


def directory_in_sync(item: Directory, observed: Observation) -> bool:
    path = observed.paths.get(item.path)
    return path is not None and (path.kind, path.mode, path.uid, path.gid) == (
        "directory",
        item.mode,
        item.uid,
        item.gid,
    )


def extra_files(bundle: Bundle, observed: Observation) -> list[str]:
    """Paths to remove: those listed as absent, and unknown files in directories the bundle owns."""
    ours = {item.path for item in bundle.files}
    roots = tuple(f"{item.path}/" for item in bundle.directories if item.owned)
    unknown = {path for path in observed.owned - ours if path.startswith(roots)} if roots else set()
    return sorted(unknown | {path for path in bundle.absent if path in observed.paths})


@dataclass(frozen=True)
class FileChanges:
    """Differences between the files of a bundle and those on the host."""

    files: tuple[File, ...]
    directories: tuple[Directory, ...]
    extra: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.files or self.directories or self.extra)

    @property
    def paths(self) -> set[str]:
        return {item.path for item in self.files} | set(self.extra)


def file_changes(bundle: Bundle, observed: Observation) -> FileChanges:
    return FileChanges(
        tuple(item for item in bundle.files if not file_in_sync(item, observed)),
        tuple(item for item in bundle.directories if not directory_in_sync(item, observed)),
        tuple(extra_files(bundle, observed)),
    )


def stale_services(bundle: Bundle, observed: Observation) -> set[str]:
    """Records of units and projects that do not run the files of the bundle: the last applied
    fingerprint differs, or files that they read are about to change."""
    affected = services_affected_by(bundle, file_changes(bundle, observed))
    return affected | {
        name
        for name, depends_on in bundle.service_inputs.items()
        if observed.applied.get(f"{bundle.component}/{name}") != bundle.fingerprint(depends_on)
    }


def services_affected_by(bundle: Bundle, changes: FileChanges) -> set[str]:
    """Records that file changes make stale. The service has probably read an unknown file beside
    one of its own as well, such as another file in conf.d."""
    extra_directories = {path.rpartition("/")[0] for path in changes.extra}
    return {
        name
        for name, depends_on in bundle.service_inputs.items()
        if changes.paths & set(depends_on)
        or extra_directories & {path.rpartition("/")[0] for path in depends_on}
    }


def bundle_here(component: str) -> Bundle | None:
    """The bundle of a component for the current host."""
    return bundle_of(context_host, component)


def fleet_here() -> Fleet:
    """The fleet of the run in progress."""
    return current_fleet(context_state)


def observe_fact(host_name: str, component: str, fact: str) -> tuple[str, ...]:
    """Output of a fact of another host, for a component of this deploy. Connects to the host when
    `--limit` leaves it out."""
    other = context_state.inventory.get_host(host_name)
    if host_name not in _PLANS:
        fleet = fleet_here()
        desired = _RENDER[component](fleet, fleet.hosts[host_name])
        _PLANS[host_name] = HostPlan({component: desired})
    return observe(other).facts.get(f"{component}/{fact}", ())
