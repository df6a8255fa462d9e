"""The port of the exporter."""

from collections.abc import Iterator

from mailfleet.components.node_exporter.settings import NodeExporterSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.ports import ANYWHERE, LOOPBACK, PortUse


def address(settings: NodeExporterSettings) -> str:
    """The address that the exporter listens on."""
    return ANYWHERE if settings.sources else LOOPBACK


def ports(fleet: Fleet, host: Host) -> Iterator[PortUse]:
    """Ports that the exporter takes on a host."""
    if host.has("metrics"):
        settings = host[NodeExporterSettings]
        yield PortUse(
            settings.port,
            "tcp",
            address(settings),
            "node_exporter",
            "node_exporter_port",
            sources=tuple(settings.sources),
        )
