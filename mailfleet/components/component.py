"""The faces that every component module has."""

from collections.abc import Callable, Collection
from typing import Any, Protocol

from mailfleet.converge.bundle import Bundle
from mailfleet.health.probe import Probe
from mailfleet.settings.fleet import Fleet, Host


class Component(Protocol):
    """A module of this package."""

    @property
    def NAME(self) -> str:
        """Its name, which is also the prefix of its settings and the name of its directories."""

    @property
    def ROLES(self) -> Collection[str]:
        """Hosts with one of these roles carry it."""

    @property
    def bundle(self) -> Callable[[Fleet, Host], Bundle]:
        """What it wants on a host. Pure: no host is touched."""

    @property
    def probes(self) -> Callable[[Fleet, Host], tuple[Probe, ...]]:
        """What healthy means there."""

    @property
    def deploy(self) -> Callable[..., Any]:
        """Converge it on the host at hand, after `mailfleet.converge.plan.plan`."""
