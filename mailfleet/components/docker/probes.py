"""Health probes of Docker."""

from mailfleet.checks.probe import Probe
from mailfleet.fleet.fleet import Fleet, Host


def probes(fleet: Fleet, host: Host) -> tuple[Probe, ...]:
    """Health probes of this component, run on the host."""
    return (
        Probe(
            "engine",
            "docker info --format 'Docker {{.ServerVersion}}, {{.ContainersRunning}} running'",
            "read `journalctl -u docker`",
        ),
    )
