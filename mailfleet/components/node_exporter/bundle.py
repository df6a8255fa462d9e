"""node_exporter: metrics of a host for Prometheus, by Debian's prometheus-node-exporter."""

from mailfleet.checks.gates import gates_of
from mailfleet.components.node_exporter.ports import address
from mailfleet.components.node_exporter.probes import probes
from mailfleet.components.node_exporter.settings import NodeExporterSettings
from mailfleet.converge.bundle import Bundle, Check, File, Unit
from mailfleet.fleet.fleet import Fleet, Host

NAME = "node_exporter"

# Read by the unit as ARGS of the program (prometheus-node-exporter.service).
_DEFAULTS = "/etc/default/prometheus-node-exporter"


def bundle(fleet: Fleet, host: Host) -> Bundle:
    settings = host[NodeExporterSettings]
    defaults = f'ARGS="--web.listen-address={address(settings)}:{settings.port}"\n'
    return Bundle(
        NAME,
        packages=("prometheus-node-exporter",),
        files=(File(_DEFAULTS, defaults.encode()),),
        checks=(
            Check(
                (_DEFAULTS,),
                f". $stage{_DEFAULTS} && prometheus-node-exporter $ARGS --version",
                "prometheus-node-exporter",
            ),
        ),
        units=(Unit("prometheus-node-exporter.service", depends_on=(_DEFAULTS,)),),
        gates=gates_of(probes(fleet, host)),
    )
