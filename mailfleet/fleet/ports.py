"""Which ports are taken on a host: for the firewall, the clash check, preflight and drift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailfleet.fleet.fleet import Fleet, Host

LOOPBACK = "127.0.0.1"
ANYWHERE = "0.0.0.0"


@dataclass(frozen=True)
class PortUse:
    """One port taken on one host."""

    port: int
    protocol: str
    address: str
    component: str
    key: str
    """The setting that decides it."""
    reason: str = ""
    """What it is for, in the words of whoever opened it."""
    sources: tuple[str, ...] | None = None
    """Networks that may connect; None: everyone, empty: nobody (loopback is the host's own)."""

    @property
    def inbound(self) -> bool:
        """Whether other hosts can reach it."""
        return self.address != LOOPBACK


def ports_of(fleet: Fleet, host: Host) -> list[PortUse]:
    """Every port that components take on a host, in the order of components."""
    return [
        use
        for definition in fleet.schema.definitions
        if definition.ports
        for use in definition.ports(fleet, host)
    ]
