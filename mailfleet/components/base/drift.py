"""Drift of the host itself: updates, failed units, leftovers, clock, reboot, overrides of units."""

import shlex
from collections.abc import Iterator, Mapping

from mailfleet.agent import evaluate
from mailfleet.checks.drift_check import DriftCheck
from mailfleet.components.base.bundle import NAME
from mailfleet.converge.bundle import Bundle
from mailfleet.converge.manifest import manifest_path
from mailfleet.fleet.fleet import Fleet, Host

# apt itself would take seconds to build its cache, and write it. Lists may be compressed.
_UPDATES = """
{
    dpkg-query -W -f 'have ${db:Status-Want} ${db:Status-Status} ${Package} ${Version}\\n'
    for list in /var/lib/apt/lists/*-security_*_Packages*; do
        [ ! -e "$list" ] || /usr/lib/apt/apt-helper cat-file "$list"
    done
} | awk '
    $1 == "have" && $2 == "hold" { print "held", $4 }
    $1 == "have" { if ($3 == "installed") have[$4] = $5; next }
    /^Package: / { name = $2 }
    /^Version: / && name in have && have[name] != $2 { print "other", name, have[name], $2 }
' | while read -r kind name old new; do
    case $kind in
        held) echo "held $name" ;;
        other) ! dpkg --compare-versions "$new" gt "$old" || echo "security $name $old $new" ;;
    esac
done
"""


# A chronyd that is down is the unit's finding.
_CLOCK = """
systemctl is-active --quiet chrony.service || exit 0
now=$(cut -d. -f1 /proc/uptime)
since=$(systemctl show -p ActiveEnterTimestampMonotonic --value chrony.service)
tracking=$(chronyc -c tracking) || { echo "$tracking" >&2; exit 1; }
echo "$((now - ${since:-0} / 1000000)),$tracking"
"""


# Of the flavour that runs, such as `-amd64` or `-cloud-amd64`: both may be installed.
_REBOOT = r"""
[ ! -e /run/reboot-required ] ||
    echo "required by $(sort -u /run/reboot-required.pkgs 2>/dev/null | tr '\n' ' ')"
running=$(uname -r)
[ ! -e "/boot/vmlinuz-$running" ] || {
    version='[0-9.]+([+~][^-]*)?(-[0-9]+)?'
    flavour=$(echo "$running" | sed -E "s/^$version//")
    newest=$(ls /boot | grep -xE "vmlinuz-$version$flavour" | sort -V | tail -n 1)
    [ "$newest" = "vmlinuz-$running" ] ||
        echo "kernel $running runs, ${newest#*-} is installed"
}
"""


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
