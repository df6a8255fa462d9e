"""preflight: what a host must offer before anything is changed on it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import click
from pyinfra import host as context_host
from pyinfra import logger
from pyinfra.api.exceptions import OperationError

from mailfleet.converge.bundle import Bundle
from mailfleet.converge.observe import Observation
from mailfleet.converge.plan import bundle_here, fleet_here, observe
from mailfleet.dns.record import Record
from mailfleet.health.probe import Probe
from mailfleet.settings.fleet import EVERY_HOST, POSTAL_PROCESSES, Fleet, Host
from mailfleet.settings.ports import ports_of
from mailfleet.settings.preflight import PreflightSettings

NAME = "preflight"
ROLES = EVERY_HOST

SUPPORTED = {"debian": (13,), "ubuntu": (24,)}
"""Distributions whose own Compose is v2; others need docker_source = "docker"."""
COMPOSE_MINIMUM = (2, 21)
"""`start_interval` of health checks and `up --wait-timeout`."""
DOCKER_MINIMUM = 25

_EVERYWHERE = ("x86_64", "aarch64")
ARCHITECTURES = {
    # github.com/postalserver/postal/issues/2793
    **dict.fromkeys(POSTAL_PROCESSES, ("Postal", ("x86_64",))),
    # Official images; those for further machines are not ours to promise.
    "database": ("MariaDB", _EVERYWHERE),
    "caddy": ("Caddy", _EVERYWHERE),
    "mailserver": ("docker-mailserver", _EVERYWHERE),
}
"""Role -> the program in its container, and the machines (uname -m) that its image is made for."""

# Asking Docker takes longer than all the rest; what mailfleet installed was looked at before.
_NOT_YET_OURS = "[ -e /var/lib/mailfleet/applied/docker/docker.service ] ||"

_RESOLVER_SECONDS = 10
"""Name servers that are down take longer than a question may (resolv.conf(5), "timeout")."""

_SIZE_KEYS = {
    "memory": "preflight_memory_mb",
    "cores": "preflight_cores",
    "disk": "preflight_disk_gb",
}
_KERNEL_SHARE = 0.9
"""A server sold with 4 GB shows up to a tenth less: kernel and firmware keep it."""


@dataclass(frozen=True)
class Result:
    """One finding about one host."""

    status: Literal["ok", "warn", "fail"]
    name: str
    finding: str
    remedy: str = ""


def bundle(fleet: Fleet, host: Host) -> Bundle:
    settings = host.preflight
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
        "host-name": f"timeout {_RESOLVER_SECONDS} getent ahosts {host.host.fqdn} | "
        "awk '{print $1}' | sort -u; echo --; hostname -I",
    }
    if _sends(host) and "outbound-25" not in settings.accept:
        target = f"/dev/tcp/{settings.outbound_host}/{settings.outbound_port}"
        facts["outbound-25"] = f"timeout 4 bash -c ': <{target}' 2>/dev/null && echo open"
    return Bundle(NAME, facts=facts)


def _sends(host: Host) -> bool:
    return host.has(*POSTAL_PROCESSES)


def findings(fleet: Fleet, host: Host, seen: Observation) -> Iterator[Result]:
    """Every finding about a host, ok or not."""
    yield _operating_system(host, seen)
    yield _architecture(host, seen)
    if _sends(host):
        yield from _size(host.preflight, seen)
    yield from _taken_ports(fleet, host, seen)
    yield from _engine(seen)
    yield _clock(seen)
    yield _host_name(host, seen)
    if seen_outbound := _outbound(host, seen):
        yield seen_outbound


def _operating_system(host: Host, seen: Observation) -> Result:
    name, _, version = seen.fact(NAME, "os").partition(" ")
    major = int(version.partition(".")[0] or 0)
    if major in SUPPORTED.get(name, ()) or (name in SUPPORTED and host.docker.source == "docker"):
        return Result("ok", "os", f"{name} {version}")
    return Result(
        "fail",
        "os",
        f"{name} {version} is not supported",
        'install Debian 13, or set docker_source = "docker" on Debian 12 and Ubuntu',
    )


def _architecture(host: Host, seen: Observation) -> Result:
    machine = seen.fact(NAME, "architecture")
    for role, (image, machines) in ARCHITECTURES.items():
        if host.has(role) and machine not in machines:
            return Result(
                "fail",
                "architecture",
                f"{machine}: {image}'s image is for {' and '.join(machines)}",
                "use another server type",
            )
    return Result("ok", "architecture", machine)


def _size(settings: PreflightSettings, seen: Observation) -> Iterator[Result]:
    memory = int(seen.fact(NAME, "memory") or 0)
    cores = int(seen.fact(NAME, "cores") or 0)
    size, available = (int(part) for part in (seen.fact(NAME, "disk") or "0 0").split())
    enough = {
        "memory": memory >= settings.memory_mb * _KERNEL_SHARE,
        "cores": cores >= settings.cores,
        "disk": size >= settings.disk_gb,
    }
    shown = {
        "memory": f"{memory} MiB, {settings.memory_mb} wanted",
        "cores": f"{cores}, {settings.cores} wanted",
        "disk": f"{size} GiB, {settings.disk_gb} wanted",
    }
    for name, is_enough in enough.items():
        if is_enough:
            yield Result("ok", name, shown[name])
        else:
            remedy = f"use a larger server, or set {_SIZE_KEYS[name]} to what you accept"
            yield Result("fail", name, shown[name], remedy)
    if available < 2:
        yield Result("fail", "disk", f"{available} GiB are free", "make room in /var/lib/docker")


def _taken_ports(fleet: Fleet, host: Host, seen: Observation) -> Iterator[Result]:
    """Ports that another program holds. What mailfleet already converged holds its own."""
    listening: dict[int, str] = {}
    for line in seen.fact(NAME, "listening").splitlines():
        address, _, process = line.partition(" ")
        listening[int(address.rpartition(":")[2])] = process
    converged = {record.partition("/")[0] for record in seen.applied}
    clashes = [
        (use, listening[use.port])
        for use in ports_of(fleet, host)
        if use.protocol == "tcp"
        and use.port in listening
        and use.component not in converged
        and use.component != "access"
    ]
    if not clashes:
        yield Result("ok", "ports", "free, or held by what mailfleet runs")
    for use, process in clashes:
        holder = process.split('"')[1] if '"' in process else "another program"
        yield Result(
            "fail",
            "ports",
            f"{holder} listens on port {use.port}, which {use.component} needs",
            f"stop and disable {holder}, or change {use.key}",
        )


def _engine(seen: Observation) -> Iterator[Result]:
    """Docker and Compose, where they are installed already."""
    docker = seen.fact(NAME, "docker")
    if docker and int(docker.partition(".")[0]) < DOCKER_MINIMUM:
        yield Result(
            "fail", "docker", f"Docker {docker}", f"install Docker {DOCKER_MINIMUM} or later"
        )
    elif docker:
        yield Result("ok", "docker", docker)
    compose = seen.fact(NAME, "compose").removeprefix("v")
    if compose and tuple(int(part) for part in compose.split(".")[:2]) < COMPOSE_MINIMUM:
        wanted = ".".join(str(part) for part in COMPOSE_MINIMUM)
        yield Result("fail", "compose", f"Compose {compose}", f"install Compose {wanted} or later")
    elif compose:
        yield Result("ok", "compose", compose)


def _clock(seen: Observation) -> Result:
    if seen.fact(NAME, "clock") == "yes":
        return Result("ok", "clock", "synchronised")
    return Result(
        "warn",
        "clock",
        "not synchronised yet",
        "base sets chrony up; if this stays, open UDP 123 outbound or set base_ntp_servers",
    )


def _host_name(host: Host, seen: Observation) -> Result:
    resolved, _, own = seen.fact(NAME, "host-name").partition("--")
    addresses = {str(a) for a in (host.host.public_ipv4, host.host.public_ipv6) if a}
    addresses |= set(own.split()) | {"127.0.1.1"}
    name = host.host.fqdn
    if set(resolved.split()) & addresses:
        return Result("ok", "host-name", f"{name} is this host")
    if not resolved.split():
        return Result(
            "warn", "host-name", f"{name} does not resolve", "publish its A and AAAA records"
        )
    return Result(
        "fail",
        "host-name",
        f"{name} resolves to {' '.join(resolved.split())}, which is not this host",
        "correct the A record, host_fqdn, or host_public_ipv4 behind a NAT",
    )


def _outbound(host: Host, seen: Observation) -> Result | None:
    if f"{NAME}/outbound-25" not in seen.facts:
        return None
    target = f"{host.preflight.outbound_host}:{host.preflight.outbound_port}"
    if seen.fact(NAME, "outbound-25") == "open":
        return Result("ok", "outbound-25", f"{target} answers")
    remedy = (
        "Hetzner opens port 25 on request after the first month, Lightsail with the form "
        '"Request to remove email sending limitations"; or send through postal_relays and list '
        "outbound-25 in preflight_accept"
    )
    status: Literal["warn", "fail"] = "warn" if host.postal.relays else "fail"
    return Result(status, "outbound-25", f"{target} cannot be reached", remedy)


_SHOWN: dict[str, Callable[[str], str]] = {
    "ok": lambda text: click.style(text, "green"),
    "warn": lambda text: click.style(text, "yellow"),
    "fail": lambda text: click.style(text, "red"),
}


def probes(fleet: Fleet, host: Host) -> tuple[Probe, ...]:
    """None: what preflight looks at, the other components' probes see in service."""
    return ()


def records(fleet: Fleet) -> list[Record]:
    """Needs no DNS record of its own."""
    return []


def deploy(verbose: bool = False) -> None:
    """Print what is wrong, and stop the run before its first change if something fails."""
    if not bundle_here(NAME):
        return
    fleet = fleet_here()
    host = fleet.hosts[context_host.name]
    failures = []
    for result in findings(fleet, host, observe(context_host)):
        accepted = result.status == "fail" and result.name in host.preflight.accept
        if result.status != "ok" or verbose:
            status = _SHOWN[result.status](result.status + (", accepted" if accepted else ""))
            remedy = f": {result.remedy}" if result.remedy else ""
            logger.info(
                f"{context_host.print_prefix}preflight {status} [{result.name}] "
                f"{result.finding}{remedy}"
            )
        if result.status == "fail" and not accepted:
            failures.append(result.name)
    if failures:
        names = ", ".join(sorted(set(failures)))
        raise OperationError(
            f"{context_host.name}: preflight fails on {names}; nothing was changed. Put it right, "
            "or list the name in preflight_accept."
        )
