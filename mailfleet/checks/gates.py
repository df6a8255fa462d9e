"""Gates: the quick probes that a deploy ends with. What is healthy is said once."""

from collections.abc import Iterable
from dataclasses import dataclass

from mailfleet.checks.probe import SECONDS, AnyProbe, Probe
from mailfleet.checks.run_parallel import NEVER_START_DOCKER


@dataclass(frozen=True)
class Gate:
    """What must hold once the services follow a change, or the change is rolled back. Tried for
    half a minute."""

    name: str
    command: str
    """Shell that exits 0 when it holds, 80 when it holds for now; its last line says what it
    found."""
    remedy: str
    """One sentence on what to do when it does not hold."""
    seconds: int
    """For one try."""


def gates_of(probes: Iterable[AnyProbe]) -> tuple[Gate, ...]:
    """The gates of a component's bundle on a host, by its probes there."""
    return tuple(
        Gate(probe.name, f"{NEVER_START_DOCKER}\n{probe.command}", probe.remedy, SECONDS)
        for probe in probes
        if isinstance(probe, Probe) and probe.is_gate
    )
