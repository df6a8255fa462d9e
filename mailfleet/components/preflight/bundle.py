"""preflight: what a host must offer before anything is changed on it."""

from mailfleet.components.postal.settings import POSTAL_PROCESSES
from mailfleet.components.preflight.settings import PreflightSettings
from mailfleet.converge.bundle import Bundle
from mailfleet.fleet.fleet import Fleet, Host

NAME = "preflight"


# Querying Docker takes longer than all the rest; what mailfleet installed was looked at before.
_NOT_YET_OURS = "[ -e /var/lib/mailfleet/applied/docker/docker.service ] ||"

_RESOLVER_SECONDS = 10
"""Name servers that are down take longer than a question may (resolv.conf(5), "timeout")."""


def bundle(fleet: Fleet, host: Host) -> Bundle:
    settings = host[PreflightSettings]
    facts = {
        "os": ". /etc/os-release; echo $ID $VERSION_ID",
        "architecture": "uname -m",
        "memory": "awk '/^MemTotal/ {print int($2 / 1024)}' /proc/meminfo",
        "cores": "nproc",
        # The nearest directory that exists: Docker makes its own later.
        "disk": "for d in /var/lib/docker /var/lib; do [ ! -d $d ] || { df --output=size,avail "
        "-BG $d | tail -n 1 | tr -d G; break; }; done",
        "listening": "ss -Hltnp | awk '{print $4, $6}'",
        "docker": f"{_NOT_YET_OURS} docker version --format '{{{{.Server.Version}}}}' 2>/dev/null",
        "compose": f"{_NOT_YET_OURS} docker compose version --short 2>/dev/null",
        "clock": "timedatectl show -p NTPSynchronized --value 2>/dev/null",
        "host-name": f"timeout {_RESOLVER_SECONDS} getent ahosts {host.fqdn} | "
        "awk '{print $1}' | sort -u; echo --; hostname -I",
    }
    if sends(host) and "outbound-25" not in settings.accept:
        target = f"/dev/tcp/{settings.outbound_host}/{settings.outbound_port}"
        facts["outbound-25"] = f"timeout 4 bash -c ': <{target}' 2>/dev/null && echo open"
    return Bundle(NAME, facts=facts)


def sends(host: Host) -> bool:
    return host.has(*POSTAL_PROCESSES)
