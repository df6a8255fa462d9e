"""base: what every server has in common."""

from pathlib import Path

from mailfleet.agent import evaluate
from mailfleet.checks.gates import gates_of
from mailfleet.components.base.probes import probes
from mailfleet.components.base.settings import BaseSettings
from mailfleet.converge.bundle import Bundle, Check, Directory, File, StateCheck, Unit
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.settings import HostSettings
from mailfleet.templates import render, shipped

NAME = "base"

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
# The functions by which `mailfleet drift` evaluates answers, for the verifier.
_EVALUATE = "/usr/local/lib/mailfleet/evaluate.py"
_VERIFY_UNITS = (
    "/etc/systemd/system/mailfleet-verify.service",
    "/etc/systemd/system/mailfleet-verify.timer",
)
# Where Debian's prometheus-node-exporter reads text files.
_METRICS = "/var/lib/prometheus/node-exporter"
_UPGRADES = "/etc/apt/apt.conf.d/60mailfleet-upgrades"


def bundle(fleet: Fleet, host: Host) -> Bundle:
    settings = host[BaseSettings]
    sysctl = SYSCTL | settings.sysctl
    short_name = host.fqdn.partition(".")[0]
    contents = {
        "/etc/hostname": f"{short_name}\n",
        "/etc/hosts": render("base/hosts", host=host[HostSettings], short_name=short_name).text,
        # cloud-init would write both again at each boot.
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
        directories=(Directory(_METRICS), Directory(_EVALUATE.rpartition("/")[0], owned=True)),
        files=(
            *(File(path, text.encode()) for path, text in contents.items()),
            File(_VERIFY, shipped("base/mailfleet-verify"), mode=0o755),
            File(_EVALUATE, Path(evaluate.__file__).read_bytes()),
            *(File(path, shipped(f"base/{path.rpartition('/')[2]}")) for path in _VERIFY_UNITS),
        ),
        checks=(
            Check((_CHRONY,), f"chronyd -p -f $stage{_CHRONY}", "chronyd -p"),
            Check((_UPGRADES,), f"APT_CONFIG=$stage{_UPGRADES} apt-config dump", "apt-config"),
            Check((_SYSCTL,), f"sysctl --dry-run -p $stage{_SYSCTL}", "sysctl --dry-run"),
        ),
        conditions=(
            StateCheck("host name", "hostname", short_name, "hostname -F /etc/hostname"),
            StateCheck(
                "time zone",
                "readlink /etc/localtime",
                "/usr/share/zoneinfo/Etc/UTC",
                "ln -sfn /usr/share/zoneinfo/Etc/UTC /etc/localtime",
            ),
            StateCheck(
                "kernel settings",
                f"sysctl {' '.join(sorted(sysctl))} | tr '\\t' ' '",
                "\n".join(f"{key} = {sysctl[key]}" for key in sorted(sysctl)),
                f"sysctl -q -p {_SYSCTL}",
            ),
            _swap(settings.swap_below_mb, settings.swap_size_mb),
        ),
        units=(
            Unit("chrony.service", depends_on=(_CHRONY,)),
            Unit("systemd-journald.service", depends_on=(_JOURNAL,)),
            Unit("mailfleet-verify.timer", depends_on=_VERIFY_UNITS),
            *((Unit("apt-daily-upgrade.timer"),) if settings.unattended_upgrades else ()),
        ),
        gates=gates_of(probes(fleet, host)),
    )


def _swap(below_mb: int, size_mb: int) -> StateCheck:
    """A swap file where memory is small; containers and hosts that have swap are left alone. The
    file gets its name when it is whole: an interrupted set-up starts over."""
    return StateCheck(
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
