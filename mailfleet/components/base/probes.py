"""Health probes of base: units, disk, memory, load, resolver, clock."""

from mailfleet.checks.blocklist import blocklist_probes
from mailfleet.checks.probe import AnyProbe, Limit, Probe
from mailfleet.checks.result import Level
from mailfleet.components.preflight.settings import PreflightSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.templates import render_script


def probes(fleet: Fleet, host: Host) -> tuple[AnyProbe, ...]:
    """Health probes of this component, run on the host and from the control machine."""
    outbound = host[PreflightSettings].outbound_host
    return (
        Probe(
            "units",
            "failed=$(systemctl list-units --failed --plain --no-legend) || exit 1; "
            "failed=$(printf '%s' \"$failed\" | awk '{print $1}'); "
            'echo "failed: ${failed:-none}" | tr "\\n" " "; [ -z "$failed" ]',
            "read `journalctl -u UNIT` of each failed unit",
            gate_exempt="it covers all units of the host, not only those of base",
        ),
        Probe(
            "disk",
            render_script("base/probes/file-system.sh", COLUMN="pcent", WHAT=""),
            "free disk space, or use a larger disk",
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
            "find what grows with `docker stats`, or use a larger server",
            limit=Limit(10, 3, "%"),
        ),
        Probe(
            "load",
            'awk -v cores="$(nproc)" \'{printf "measured %.2f\\n%s over 15 minutes, %d cores\\n", '
            "$3 / cores, $3, cores}' /proc/loadavg",
            "find what uses the processors with `top`, or use a larger server",
            limit=Limit(4, 50, " a core"),
        ),
        Probe(
            "resolver",
            f"address=$(getent ahosts {outbound} | awk 'NR == 1 {{print $1}}'); "
            f'[ -n "$address" ] && echo "{outbound} is $address"',
            "check that the servers in /etc/resolv.conf answer: without DNS no mail is sent",
            level=Level.FULL,
        ),
        Probe(
            "clock",
            render_script("base/probes/clock.sh"),
            "read `systemctl status chrony` and `chronyc sources`; open UDP 123 outbound, or set "
            "base_ntp_servers to servers that answer",
            limit=Limit(1, 60, " s"),
            gate_exempt="it takes minutes and depends on other servers",
        ),
        *blocklist_probes(fleet, host),
    )
