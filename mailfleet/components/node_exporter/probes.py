"""Health probe of the exporter."""

from mailfleet.checks.probe import Probe
from mailfleet.components.node_exporter.settings import NodeExporterSettings
from mailfleet.fleet.fleet import Fleet, Host


def probes(fleet: Fleet, host: Host) -> tuple[Probe, ...]:
    """What healthy means for this component."""
    url = f"http://127.0.0.1:{host[NodeExporterSettings].port}/metrics"
    return (
        Probe(
            "metrics",
            f"lines=$(curl --silent --show-error --fail --max-time 5 {url} | wc -l) && "
            '[ "$lines" -gt 0 ] && echo "$lines lines of metrics"',
            "read `journalctl -u prometheus-node-exporter`",
        ),
    )
