"""The host itself: updates, failed units, strangers among the units, clock, reboot."""

from collections.abc import Iterator, Mapping, Sequence

from mailfleet.converge.bundle import Bundle
from mailfleet.drift.finding import Difference, Kind
from mailfleet.drift.look import Look

NAME = "base"

CLOCK_LIMIT_SECONDS = 0.5
"""DKIM, TLS and replication take more; an hourly drift of this size tells of a broken clock."""
_SYNCHRONISES_WITHIN_SECONDS = 600

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


def looks(bundles: Mapping[str, Bundle]) -> Iterator[Look]:
    """Looks that every host gets."""
    units = [unit.name for bundle in bundles.values() for unit in bundle.units]
    described = {item.path for bundle in bundles.values() for item in bundle.files}
    yield Look(NAME, "updates", _UPDATES, updates)
    yield Look(
        NAME,
        "failed units",
        "systemctl list-units --failed --plain --no-legend",
        lambda lines: failed_units(lines, units),
    )
    yield Look(NAME, "leftovers", _OURS, lambda lines: leftovers(lines, described))
    yield Look(NAME, "clock", _CLOCK, clock)
    yield Look(NAME, "reboot", _REBOOT, reboot)


def updates(lines: Sequence[str]) -> Iterator[Difference]:
    """Held packages, and security updates that wait (unattended-upgrades installs them daily)."""
    for line in lines:
        kind, name, *versions = line.split()
        if kind == "held":
            remedy = f"`apt-mark unhold {name}`"
            yield Difference(Kind.PACKAGE, name, "updated", "held back", remedy)
        else:
            old, new = versions
            remedy = f"`apt-get install --only-upgrade {name}`, or wait for the daily upgrade"
            yield Difference(Kind.UPDATE, name, new, old, remedy)


def failed_units(lines: Sequence[str], described: Sequence[str]) -> Iterator[Difference]:
    """Those of the description are findings of their component."""
    for name in (line.split()[0] for line in lines if line.split()):
        if name not in described:
            remedy = f"read `journalctl -u {name}`; `systemctl reset-failed {name}` when done"
            yield Difference(Kind.UNIT, name, "not failed", "failed", remedy)


def leftovers(lines: Sequence[str], described: set[str]) -> Iterator[Difference]:
    """Files that mailfleet once wrote where others have files too, and that nothing describes."""
    for path in sorted(set(lines) - described):
        if path.endswith("/compose.yaml"):
            remedy = f"`docker compose --file {path} down`, then remove {path.rpartition('/')[0]}"
        elif path.endswith(".json"):
            remedy = f"remove it, and what it lists: the host no longer carries {_stem(path)}"
        else:
            remedy = f"`systemctl disable --now {path.rpartition('/')[2]}`, then remove it"
        yield Difference(Kind.ORPHAN, path, "absent", "left by an earlier description", remedy)


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".json")


def clock(lines: Sequence[str]) -> Iterator[Difference]:
    """`<seconds since chronyd's start>,<chronyc -c tracking>` (chronyc(1), "tracking")."""
    for line in lines:
        running, *fields = line.split(",")
        offset, leap = float(fields[4]), fields[13]
        if abs(offset) > CLOCK_LIMIT_SECONDS:
            seen = f"off by {offset:+.3f} s"
        elif leap == "Not synchronised" and int(running) > _SYNCHRONISES_WITHIN_SECONDS:
            seen = "not synchronised"
        else:
            continue
        remedy = "read `chronyc sources`: open UDP 123 outbound, or set base_ntp_servers"
        yield Difference(Kind.CLOCK, "clock", f"within {CLOCK_LIMIT_SECONDS} s", seen, remedy)


def reboot(lines: Sequence[str]) -> Iterator[Difference]:
    for line in lines:
        remedy = "reboot when the queue is empty; the deploys never do"
        yield Difference(Kind.REBOOT, "reboot", "not needed", line.strip(), remedy)
