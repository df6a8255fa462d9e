"""The start of a deploy: which components it goes through, on which hosts."""

import runpy
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from pyinfra import host as context_host
from pyinfra import state as context_state
from pyinfra.api.state import State

from mailfleet.components.component import Component
from mailfleet.components.registry import SCHEMA
from mailfleet.converge import session
from mailfleet.converge.plan import observe, set_plan
from mailfleet.converge.session import RunAbortedError, current_fleet, current_host
from mailfleet.deploying.desired import desired_bundles
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.secrets import SecretsError
from mailfleet.templates import TemplateProblemError

Only = Callable[[Fleet, Host], bool]
"""Whether a deploy concerns a host."""


def watch(state: State) -> None:
    """Attach to a pyinfra run: called by config.py, before the inventory is loaded."""
    session.watch(state, SCHEMA)


def any_host(fleet: Fleet, host: Host) -> bool:
    """Leaves no host alone."""
    return True


@dataclass(frozen=True)
class Scope:
    """What a deploy goes through: components, on the hosts for which `only` is true."""

    components: frozenset[str]
    only: Only


class _OnlyAsked(BaseException):
    """Ends a deploy file at its plan."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope


_asking: ContextVar[bool] = ContextVar("asking", default=False)


def scope_of(deploy: str) -> Scope:
    """What a deploy file plans, without running the rest. Raises RunAbortedError for any other."""
    if not Path(deploy).is_file():
        raise RunAbortedError(f"{deploy}: no such deploy file")
    no_plan = RunAbortedError(f"{deploy}: calls no plan(): name a deploy such as deploys/postal.py")
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
        raise RunAbortedError(f"{deploy}: does something before it calls plan(): {told}") from None
    finally:
        _asking.reset(token)
    raise no_plan


def plan(components: Iterable[Component], only: Only = any_host) -> None:
    """First line of a deploy: render the bundles of the components that the current host carries,
    and observe the host once for all of them.

    + components: those the deploy goes through
    + only: leave hosts for which this is false alone
    """
    deployed = {component.name: component for component in components}
    if _asking.get():
        raise _OnlyAsked(Scope(frozenset(deployed), only))
    fleet, host = current_fleet(context_state), current_host(context_state, context_host)
    try:
        everything = desired_bundles(fleet, host)[0] if only(fleet, host) else {}
    except (SecretsError, TemplateProblemError) as error:
        raise RunAbortedError(str(error)) from None
    bundles = {name: bundle for name, bundle in everything.items() if name in deployed}
    render = {name: item.bundle for name, item in deployed.items() if item.bundle}
    set_plan(context_host.name, bundles, render)
    if bundles:
        observe(context_host)
