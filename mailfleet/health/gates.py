"""Gates: the quick probes that a deploy ends with. What is healthy is said once."""

from collections.abc import Iterable

from mailfleet.converge.bundle import Gate
from mailfleet.health.probe import SECONDS, AnyProbe, Probe
from mailfleet.health.side_by_side import NEVER_START_DOCKER


def gates_of(probes: Iterable[AnyProbe]) -> tuple[Gate, ...]:
    """The gates of a component's bundle on a host, by its probes there."""
    return tuple(
        Gate(probe.name, f"{NEVER_START_DOCKER}\n{probe.command}", probe.remedy, SECONDS)
        for probe in probes
        if isinstance(probe, Probe) and probe.is_gate
    )
