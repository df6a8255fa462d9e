"""Settings of `node_exporter`: metrics of a host for Prometheus."""

from typing import ClassVar

from pydantic import Field

from mailfleet.fleet.model import ComponentSettings
from mailfleet.fleet.types import Network, Port


class NodeExporterSettings(ComponentSettings):
    """Debian's prometheus-node-exporter, on hosts with the role. It also serves the metrics of
    `mailfleet-verify`."""

    prefix: ClassVar[str] = "node_exporter_"

    port: Port = Field(default=9100, description="TCP port of the exporter.")
    sources: list[Network] = Field(
        default=[],
        description="Networks that may connect, such as that of Prometheus. Empty: the exporter "
        "listens on loopback only.",
    )
