"""Drift of the host itself: updates, failed units, leftovers, clock, reboot, overrides of units."""

import shlex
from collections.abc import Iterator, Mapping

from mailfleet.agent import evaluate
from mailfleet.checks.drift_check import DriftCheck
from mailfleet.components.base.bundle import NAME
from mailfleet.converge.bundle import Bundle
from mailfleet.converge.manifest import manifest_path
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.templates import render_script

_UPDATES = render_script("base/drift/updates.sh")
_CLOCK = render_script("base/drift/clock.sh")
_REBOOT = render_script("base/drift/reboot.sh")
_OURS = """
grep -l '^# Written by mailfleet' /etc/systemd/system/* /etc/systemd/system/*.d/* \\
    /opt/*/compose.yaml 2>/dev/null || true
ls /etc/mailfleet/described/*.json 2>/dev/null || true
"""


def drift(fleet: Fleet, host: Host, bundles: Mapping[str, Bundle]) -> Iterator[DriftCheck]:
    """Drift checks of the host, over the bundles of all components."""
    units = [unit.name for bundle in bundles.values() for unit in bundle.units]
    failed = "systemctl list-units --failed --plain --no-legend"
    yield DriftCheck(NAME, "updates", (_UPDATES,), evaluate.updates)
    yield DriftCheck(NAME, "failed units", (failed,), evaluate.failed_units, units)
    yield DriftCheck(NAME, "leftovers", (_OURS,), evaluate.leftovers, sorted(_ours(bundles)))
    yield DriftCheck(NAME, "clock", (_CLOCK,), evaluate.clock)
    yield DriftCheck(NAME, "reboot", (_REBOOT,), evaluate.reboot)
    if units:
        yield DriftCheck(
            NAME,
            "overrides and timers",
            (states_of(*units),),
            evaluate.overrides_and_timers,
            sorted(_unit_files(bundles)),
        )


def states_of(*units: str) -> str:
    """Shell that prints the state of units, since when they have it, and their drop-ins."""
    return (
        "systemctl show --timestamp=unix -p Id,SubState,StateChangeTimestamp,DropInPaths -- "
        f"{shlex.join(units)} | sed 's/^/unit|/'"
    )


def _unit_files(bundles: Mapping[str, Bundle]) -> Iterator[str]:
    for bundle in bundles.values():
        for item in bundle.files:
            if item.path.startswith("/etc/systemd/system/"):
                yield item.path


def _ours(bundles: Mapping[str, Bundle]) -> Iterator[str]:
    """Where _OURS finds what is described."""
    for bundle in bundles.values():
        if bundle.files:
            yield manifest_path(bundle)
        for item in bundle.files:
            if item.path.startswith("/etc/systemd/system/") or item.path.endswith("/compose.yaml"):
                yield item.path
