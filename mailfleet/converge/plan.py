"""The plan of a run on one host: its bundles, and the host's state compared with them."""

import runpy
import time
from collections.abc import Callable, Collection, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pyinfra import host as context_host
from pyinfra import state as context_state
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.state import StateStage

from mailfleet.converge.ask import HANG_REMEDY
from mailfleet.converge.bundle import Bundle, Directory, File
from mailfleet.converge.observe import (
    ANSWER_SECONDS,
    CONTAINERS,
    UNITS,
    Observation,
    SettledState,
    Wanted,
)
from mailfleet.converge.run import Refused, current_fleet, current_host
from mailfleet.secrets import SecretsError
from mailfleet.settings.fleet import EVERY_HOST, Fleet
from mailfleet.settings.fleet import Host as FleetHost
from mailfleet.templates import TemplateProblem


class Planned(Protocol):
    """What a plan needs of a component."""

    @property
    def NAME(self) -> str:
        """Its name, which is also the prefix of its settings and the name of its directories."""

    @property
    def ROLES(self) -> Collection[str]:
        """Hosts with one of these roles carry it."""

    @property
    def bundle(self) -> Callable[[Fleet, FleetHost], Bundle]:
        """What it wants on a host. Pure: no host is touched."""


@dataclass
class HostPlan:
    """What this run wants on one host, and what was last seen there."""

    bundles: dict[str, Bundle]
    observation: Observation | None = None
    stage: StateStage = StateStage.Setup
    seen_at: float = 0.0


_PLANS: dict[str, HostPlan] = {}
_COMPONENTS: dict[str, Planned] = {}
"""Those of the deploys so far, by name."""


def any_host(fleet: Fleet, host: FleetHost) -> bool:
    """Leaves no host alone."""
    return True


@dataclass(frozen=True)
class Scope:
    """What a deploy goes through: components, on hosts with one of some roles, if `only` says so
    too."""

    components: frozenset[str]
    roles: frozenset[str]
    only: Callable[[Fleet, FleetHost], bool]


class _OnlyAsked(BaseException):
    """Ends a deploy file at its plan."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope


_asking: ContextVar[bool] = ContextVar("asking", default=False)


def scope_of(deploy: str) -> Scope:
    """What a deploy file plans, without running what follows. Raises Refused where it is none."""
    if not Path(deploy).is_file():
        raise Refused(f"{deploy}: no such deploy file")
    no_plan = Refused(f"{deploy}: calls no plan(): name a deploy such as deploys/postal.py")
    token = _asking.set(True)
    try:
        runpy.run_path(deploy)
    except _OnlyAsked as asked:
        return asked.scope
    except Exception as error:
        # Such as deploys/drift.py, which needs the run that there is none of.
        if "plan(" not in Path(deploy).read_text(encoding="utf-8"):
            raise no_plan from None
        # The operator's Python, outside of a run.
        told = f"{type(error).__name__}: {error}"
        raise Refused(f"{deploy}: does something before it calls plan(): {told}") from None
    finally:
        _asking.reset(token)
    raise no_plan


def plan(
    components: Iterable[Planned],
    roles: Collection[str] = EVERY_HOST,
    only: Callable[[Fleet, FleetHost], bool] = any_host,
) -> None:
    """First line of a deploy: render the bundles of the components that this host carries, and
    look at the host once for all of them.

    + components: those the deploy goes through
    + roles: leave hosts without one of these roles alone
    + only: leave hosts for which this is false alone
    """
    # Components plan: they cannot be had while this module is made.
    from mailfleet.drift.carried import carried

    if _asking.get():
        names = frozenset(component.NAME for component in components)
        raise _OnlyAsked(Scope(names, frozenset(roles), only))
    fleet, host = current_fleet(context_state), current_host(context_state, context_host)
    deployed = {component.NAME: component for component in components}
    _COMPONENTS.update(deployed)
    try:
        concerned = host.has(*roles) and only(fleet, host)
        everything = carried(fleet, host)[0] if concerned else {}
    except (SecretsError, TemplateProblem) as error:
        raise Refused(str(error)) from None
    bundles = {name: bundle for name, bundle in everything.items() if name in deployed}
    _PLANS[context_host.name] = HostPlan(bundles)
    if bundles:
        observe(context_host)


def bundle_of(host: PyinfraHost, component: str) -> Bundle | None:
    """The bundle of a component in this run; None where the host does not carry it."""
    return _PLANS[host.name].bundles.get(component)


FRESH_SECONDS = 10.0
"""With `-y` execution follows the preparation at once; an operator at the prompt takes longer."""


def observe(host: PyinfraHost) -> Observation:
    """The host's state: looked at before the run changes things, again when it begins to unless
    that follows at once, then only after a change. Raises Refused where another deploy keeps
    changing it, and where a part of it is unknown: taken for absent, it would be made anew."""
    known = _PLANS[host.name]
    stage = context_state.current_stage
    now = time.monotonic()
    if known.observation is None or (known.stage != stage and now - known.seen_at > FRESH_SECONDS):
        wanted = Wanted(tuple(known.bundles.values()))
        # Taken before the look: it is as old as its first command.
        known.seen_at = now
        seen: Observation = host.get_fact(SettledState, wanted=wanted)
        if seen.changed_by:
            raise Refused(
                f"another deploy is changing {host.name}: {seen.changed_by}; try again later"
            )
        if seen.unanswered:
            raise Refused(_silence(host.name, seen.unanswered))
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
    fed_anew = services_fed_by(bundle, file_changes(bundle, seen))
    return fed_anew | {
        name
        for name, fed_by in bundle.service_feeds.items()
        if seen.applied.get(f"{bundle.component}/{name}") != bundle.fingerprint(fed_by)
    }


def services_fed_by(bundle: Bundle, changes: FileChanges) -> set[str]:
    """Records that some file changes make stale. A stranger beside a file that a service reads,
    such as another file in conf.d, was probably read as well."""
    strangers = {path.rpartition("/")[0] for path in changes.extra}
    return {
        name
        for name, fed_by in bundle.service_feeds.items()
        if changes.paths & set(fed_by) or strangers & {path.rpartition("/")[0] for path in fed_by}
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
        wanted = _COMPONENTS[component].bundle(fleet, fleet.hosts[host_name])
        _PLANS[host_name] = HostPlan({component: wanted})
    return observe(other).facts.get(f"{component}/{fact}", ())
