"""Ports of the SSH daemon, and those that the operator opens."""

from collections.abc import Iterator

from mailfleet.components.access.settings import AccessSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.ports import ANYWHERE, PortUse


def ports(fleet: Fleet, host: Host) -> Iterator[PortUse]:
    """Ports that access opens on a host."""
    settings = host[AccessSettings]
    yield PortUse(settings.ssh_port, "tcp", ANYWHERE, "access", "access_ssh_port")
    for opening in settings.open:
        yield PortUse(
            opening.port,
            opening.protocol,
            ANYWHERE,
            "access",
            "access_open",
            opening.reason,
            opening.sources,
        )
