"""The faces that every component module has."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from mailfleet.converge.plan import Planned
from mailfleet.dns.record import Record
from mailfleet.health.probe import AnyProbe
from mailfleet.settings.fleet import Fleet, Host


class Component(Planned, Protocol):
    """A module of this package."""

    @property
    def records(self) -> Callable[[Fleet], Sequence[Record]]:
        """DNS records it needs, for the whole fleet."""

    @property
    def probes(self) -> Callable[[Fleet, Host], tuple[AnyProbe, ...]]:
        """What healthy means on a host, asked there and from this machine."""

    @property
    def deploy(self) -> Callable[..., Any]:
        """Converge it on the host at hand, after `mailfleet.converge.plan.plan`."""
