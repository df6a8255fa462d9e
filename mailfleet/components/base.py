"""base: what every server has in common."""

from pathlib import Path

from pyinfra.api.deploy import deploy as pyinfra_deploy

from mailfleet.converge.bundle import Bundle, Check, Condition, Directory, File, Unit
from mailfleet.converge.conditions import conditions
from mailfleet.converge.files import files
from mailfleet.converge.packages import packages
from mailfleet.converge.plan import bundle_here
from mailfleet.converge.services import services
from mailfleet.dns.hosts import address_records
from mailfleet.dns.record import Record, Severity
from mailfleet.drift import judges
from mailfleet.health.blocklist import blocklist_probes
from mailfleet.health.gates import gates_of
from mailfleet.health.probe import AnyProbe, Level, Limit, Probe
from mailfleet.settings.fleet import EVERY_HOST, Fleet, Host
from mailfleet.templates import render, shipped

NAME = "base"
ROLES = EVERY_HOST

PACKAGES = ("ca-certificates", "chrony", "curl", "openssl", "python3", "tzdata")

# Only settings of the network: they belong to the host's own namespace wherever it runs.
SYSCTL: dict[str, int | str] = {
    "net.core.somaxconn": 4096,
    "net.ipv4.conf.all.accept_redirects": 0,
    "net.ipv4.conf.all.accept_source_route": 0,
    "net.ipv4.conf.all.send_redirects": 0,
    "net.ipv4.tcp_syncookies": 1,
    "net.ipv6.conf.all.accept_redirects": 0,
}

_CHRONY = "/etc/chrony/chrony.conf"
_JOURNAL = "/etc/systemd/journald.conf.d/60-mailfleet.conf"
_SYSCTL = "/etc/sysctl.d/60-mailfleet.conf"
_VERIFY = "/usr/local/sbin/mailfleet-verify"
# The functions by which `mailfleet drift` judges, for the verifier.
_JUDGES = "/usr/local/lib/mailfleet/judges.py"
_VERIFY_UNITS = (
    "/etc/systemd/system/mailfleet-verify.service",
    "/etc/systemd/system/mailfleet-verify.timer",
)
# chronyc(1), "tracking": the clock is off by the offset, the root dispersion and half the root
# delay at most; where nobody sets it, that is more than a second. The kernel's own word may be
# another container's.
_CLOCK = """
tracking=$(chronyc -c tracking) || { echo "$tracking"; exit 1; }
echo "$tracking" | awk -F, '{
    offset = $5 < 0 ? -$5 : $5
    printf "measured %.3f\\n%s, off by %.3f s at most\\n",
        offset + $12 + $11 / 2, tolower($14), offset + $12 + $11 / 2
}'
"""
# Where Debian's prometheus-node-exporter reads text files.
_METRICS = "/var/lib/prometheus/node-exporter"
_UPGRADES = "/etc/apt/apt.conf.d/60mailfleet-upgrades"


def bundle(fleet: Fleet, host: Host) -> Bundle:
    settings = host.base
    sysctl = SYSCTL | settings.sysctl
    short_name = host.host.fqdn.partition(".")[0]
    contents = {
        "/etc/hostname": f"{short_name}\n",
        "/etc/hosts": render("base/hosts", host=host.host, short_name=short_name).text,
        # cloud-init would write both anew at each boot.
        "/etc/cloud/cloud.cfg.d/99-mailfleet.cfg": "preserve_hostname: true\n"
        "manage_etc_hosts: false\n",
        _CHRONY: render("base/chrony.conf", settings=settings).text,
        _JOURNAL: render("base/journald.conf", settings=settings).text,
        _SYSCTL: "".join(f"{key} = {value}\n" for key, value in sorted(sysctl.items())),
        _UPGRADES: render("base/60mailfleet-upgrades", settings=settings).text,
    }
    upgrades = ("unattended-upgrades",) if settings.unattended_upgrades else ()
    return Bundle(
        NAME,
        packages=(*PACKAGES, *upgrades, *settings.packages),
        directories=(Directory(_METRICS), Directory(_JUDGES.rpartition("/")[0], owned=True)),
        files=(
            *(File(path, text.encode()) for path, text in contents.items()),
            File(_VERIFY, shipped("base/mailfleet-verify"), mode=0o755),
            File(_JUDGES, Path(judges.__file__).read_bytes()),
            *(File(path, shipped(f"base/{path.rpartition('/')[2]}")) for path in _VERIFY_UNITS),
        ),
        checks=(
            Check((_CHRONY,), f"chronyd -p -f $stage{_CHRONY}", "chronyd -p"),
            Check((_UPGRADES,), f"APT_CONFIG=$stage{_UPGRADES} apt-config dump", "apt-config"),
            Check((_SYSCTL,), f"sysctl --dry-run -p $stage{_SYSCTL}", "sysctl --dry-run"),
        ),
        conditions=(
            Condition("host name", "hostname", short_name, "hostname -F /etc/hostname"),
            Condition(
                "time zone",
                "readlink /etc/localtime",
                "/usr/share/zoneinfo/Etc/UTC",
                "ln -sfn /usr/share/zoneinfo/Etc/UTC /etc/localtime",
            ),
            Condition(
                "kernel settings",
                f"sysctl {' '.join(sorted(sysctl))} | tr '\\t' ' '",
                "\n".join(f"{key} = {sysctl[key]}" for key in sorted(sysctl)),
                f"sysctl -q -p {_SYSCTL}",
            ),
            _swap(settings.swap_below_mb, settings.swap_size_mb),
        ),
        units=(
            Unit("chrony.service", fed_by=(_CHRONY,)),
            Unit("systemd-journald.service", fed_by=(_JOURNAL,)),
            Unit("mailfleet-verify.timer", fed_by=_VERIFY_UNITS),
            *((Unit("apt-daily-upgrade.timer"),) if settings.unattended_upgrades else ()),
        ),
        gates=gates_of(probes(fleet, host)),
    )


def _swap(below_mb: int, size_mb: int) -> Condition:
    """A swap file where memory is small; containers and hosts that have swap are left alone. The
    file gets its name when it is whole: an interrupted set-up begins anew."""
    return Condition(
        "swap",
        "if systemd-detect-virt --quiet --container; then echo enough; else "
        "awk '/^MemTotal/ {memory = $2} /^SwapTotal/ {swap = $2} "
        f'END {{print (memory < {below_mb} * 1024 && swap == 0) ? "missing" : "enough"}}\' '
        "/proc/meminfo; fi",
        "enough",
        "set -e; if [ ! -e /swapfile ]; then rm -f /swapfile.new; "
        f"( umask 077; fallocate -l {size_mb}M /swapfile.new ); mkswap /swapfile.new; "
        "sync /swapfile.new; mv /swapfile.new /swapfile; fi; swapon /swapfile; "
        "grep -q '^/swapfile ' /etc/fstab || echo '/swapfile none swap sw 0 0' >>/etc/fstab",
    )


def _fullest(column: str) -> str:
    """Shell that sets `$1` to a column of df(1), such as 45%, and `$2` to the mount point, of the
    fullest file system on which something of the fleet lies. Each may have one of its own."""
    paths = "/ /opt /var/lib /var/lib/docker /var/log"
    return (
        f"set -- $(df --output={column},target {paths} 2>/dev/null | tail -n +2 | sort -rn | "
        "head -n 1)"
    )


def probes(fleet: Fleet, host: Host) -> tuple[AnyProbe, ...]:
    """What healthy means for this component, asked on the host and from here."""
    return (
        Probe(
            "units",
            "failed=$(systemctl list-units --failed --plain --no-legend) || exit 1; "
            "failed=$(printf '%s' \"$failed\" | awk '{print $1}'); "
            'echo "failed: ${failed:-none}" | tr "\\n" " "; [ -z "$failed" ]',
            "read `journalctl -u UNIT` of each failed unit",
            no_gate="any unit of the host, whoever brought it",
        ),
        Probe(
            "disk",
            f'{_fullest("pcent")}; echo "measured ${{1%\\%}}"; echo "$1 of $2 used"',
            "make room, or use a larger disk",
            limit=Limit(80, 90, "%"),
        ),
        Probe(
            "inodes",
            f"{_fullest('ipcent')}; "
            # File systems such as btrfs make inodes as they are needed, and show none.
            '[ "$1" != - ] || set -- 0% $2; '
            'echo "measured ${1%\\%}"; echo "$1 of the inodes of $2 used"',
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
            'awk -v cores=$(nproc) \'{printf "measured %.2f\\n%s over 15 minutes, %d cores\\n", '
            "$3 / cores, $3, cores}' /proc/loadavg",
            "see what takes the time with `top`; use a larger server",
            limit=Limit(4, 50, " a core"),
        ),
        Probe(
            "resolver",
            f"found=$(getent ahosts {host.preflight.outbound_host} | awk 'NR == 1 {{print $1}}'); "
            f'[ -n "$found" ] && echo "{host.preflight.outbound_host} is $found"',
            "see /etc/resolv.conf and that its servers answer: without DNS no mail goes out",
            level=Level.FULL,
        ),
        Probe(
            "clock",
            _CLOCK,
            "read `systemctl status chrony` and `chronyc sources`; open UDP 123 outbound, or set "
            "base_ntp_servers to servers that answer",
            limit=Limit(1, 60, " s"),
            no_gate="it takes minutes, and servers elsewhere",
        ),
        *blocklist_probes(fleet, host),
    )


def records(fleet: Fleet) -> list[Record]:
    """DNS records of the hosts' own names, as far as their addresses are known."""
    return [
        record
        for host in fleet.hosts.values()
        if host.host.public_ipv4 or host.host.public_ipv6
        for record in address_records(
            fleet,
            host.host.fqdn,
            [host],
            why="the host's own name",
            otherwise="Mail still flows, but nobody can reach the host by its name.",
            severity=Severity.RECOMMENDED,
            source="RFC 1912 section 2.1",
        )
    ]


@pyinfra_deploy("base")
def deploy() -> None:
    """Converge this component on the host at hand."""
    if wanted := bundle_here(NAME):
        packages(name="packages", bundle=wanted)
        files(name="files", bundle=wanted)
        conditions(name="host name, time zone, kernel, swap", bundle=wanted)
        services(name="services", bundle=wanted)
