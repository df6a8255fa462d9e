"""Health probes of base: units, disk, memory, load, resolver, clock."""

from mailfleet.checks.blocklist import blocklist_probes
from mailfleet.checks.probe import AnyProbe, Limit, Probe
from mailfleet.checks.result import Level
from mailfleet.components.preflight.settings import PreflightSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.templates import render_script


def probes(fleet: Fleet, host: Host) -> tuple[AnyProbe, ...]:
    """What healthy means for this component, asked on the host and from here."""
    outbound = host[PreflightSettings].outbound_host
    return (
        Probe(
            "units",
            "failed=$(systemctl list-units --failed --plain --no-legend) || exit 1; "
            "failed=$(printf '%s' \"$failed\" | awk '{print $1}'); "
            'echo "failed: ${failed:-none}" | tr "\\n" " "; [ -z "$failed" ]',
            "read `journalctl -u UNIT` of each failed unit",
            gate_exempt="any unit of the host, whoever brought it",
        ),
        Probe(
            "disk",
            render_script("base/probes/file-system.sh", COLUMN="pcent", WHAT=""),
            "make room, or use a larger disk",
            limit=Limit(80, 90, "%"),
        ),
        Probe(
            "inodes",
            render_script("base/probes/file-system.sh", COLUMN="ipcent", WHAT="the inodes of "),
            "remove small files, such as old messages or images",
            limit=Limit(80, 90, "%"),
        ),
        Probe(
            "memory",
            "awk '/^MemTotal/ {all = $2} /^MemAvailable/ {free = $2} END {"
            'left = int(free * 100 / all); print "measured " left; print left "% available"}\' '
            "/proc/meminfo",
            "see what grows with `docker stats`; use a larger server",
            limit=Limit(10, 3, "%"),
        ),
        Probe(
            "load",
            'awk -v cores="$(nproc)" \'{printf "measured %.2f\\n%s over 15 minutes, %d cores\\n", '
            "$3 / cores, $3, cores}' /proc/loadavg",
            "see what takes the time with `top`; use a larger server",
            limit=Limit(4, 50, " a core"),
        ),
        Probe(
            "resolver",
            f"found=$(getent ahosts {outbound} | awk 'NR == 1 {{print $1}}'); "
            f'[ -n "$found" ] && echo "{outbound} is $found"',
            "see /etc/resolv.conf and that its servers answer: without DNS no mail goes out",
            level=Level.FULL,
        ),
        Probe(
            "clock",
            render_script("base/probes/clock.sh"),
            "read `systemctl status chrony` and `chronyc sources`; open UDP 123 outbound, or set "
            "base_ntp_servers to servers that answer",
            limit=Limit(1, 60, " s"),
            gate_exempt="it takes minutes, and servers elsewhere",
        ),
        *blocklist_probes(fleet, host),
    )
