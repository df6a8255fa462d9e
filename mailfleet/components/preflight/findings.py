"""What preflight finds on a host, from the answers to its bundle's queries."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mailfleet.components.docker.settings import DockerSettings
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.components.preflight.bundle import NAME, sends
from mailfleet.components.preflight.settings import PreflightSettings
from mailfleet.converge.observe import Observation
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.ports import ports_of
from mailfleet.fleet.settings import HostSettings

SUPPORTED = {"debian": (13,), "ubuntu": (24,)}
"""Distributions whose own Compose is v2; others need docker_source = "docker"."""


COMPOSE_MINIMUM = (2, 21)
"""`start_interval` of health checks and `up --wait-timeout`."""


DOCKER_MINIMUM = 25


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


def findings(fleet: Fleet, host: Host, seen: Observation) -> Iterator[Result]:
    """Every finding about a host, ok or not."""
    yield _operating_system(host, seen)
    yield _architecture(fleet, host, seen)
    if sends(host):
        yield from _size(host[PreflightSettings], seen)
    yield from _taken_ports(fleet, host, seen)
    yield from _engine(seen)
    yield _clock(seen)
    yield _host_name(host, seen)
    if seen_outbound := _outbound(host, seen):
        yield seen_outbound


def _operating_system(host: Host, seen: Observation) -> Result:
    name, _, version = seen.fact(NAME, "os").partition(" ")
    major = int(version.partition(".")[0] or 0)
    if major in SUPPORTED.get(name, ()) or (
        name in SUPPORTED and host[DockerSettings].source == "docker"
    ):
        return Result("ok", "os", f"{name} {version}")
    return Result(
        "fail",
        "os",
        f"{name} {version} is not supported",
        'install Debian 13, or set docker_source = "docker" on Debian 12 and Ubuntu',
    )


def _architecture(fleet: Fleet, host: Host, seen: Observation) -> Result:
    machine = seen.fact(NAME, "architecture")
    for item in fleet.schema.definitions:
        if (
            item.machines
            and host.has(*(item.settings_roles or ()))
            and machine not in item.machines
        ):
            return Result(
                "fail",
                "architecture",
                f"{machine}: {item.image}'s image is for {' and '.join(item.machines)}",
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
    addresses = {
        str(a) for a in (host[HostSettings].public_ipv4, host[HostSettings].public_ipv6) if a
    }
    addresses |= set(own.split()) | {"127.0.1.1"}
    name = host.fqdn
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
    target = f"{host[PreflightSettings].outbound_host}:{host[PreflightSettings].outbound_port}"
    if seen.fact(NAME, "outbound-25") == "open":
        return Result("ok", "outbound-25", f"{target} answers")
    remedy = (
        "Hetzner opens port 25 on request after the first month, Lightsail with the form "
        '"Request to remove email sending limitations"; or send through postal_relays and list '
        "outbound-25 in preflight_accept"
    )
    status: Literal["warn", "fail"] = "warn" if host[PostalSettings].relays else "fail"
    return Result(status, "outbound-25", f"{target} cannot be reached", remedy)
