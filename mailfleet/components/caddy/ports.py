"""Ports of Caddy."""

from collections.abc import Iterator

from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.ports import ANYWHERE, PortUse


def ports(fleet: Fleet, host: Host) -> Iterator[PortUse]:
    """Ports that Caddy takes on a host."""
    if host.has("caddy"):
        yield PortUse(80, "tcp", ANYWHERE, "caddy", "caddy role")
        yield PortUse(443, "tcp", ANYWHERE, "caddy", "caddy role")
        yield PortUse(443, "udp", ANYWHERE, "caddy", "caddy role")
