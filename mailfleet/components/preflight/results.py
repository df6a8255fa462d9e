"""Preflight's results for a host, from the answers to its bundle's queries."""

from collections.abc import Iterator

from mailfleet.checks.result import CheckResult, Status
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


def results(fleet: Fleet, host: Host, observed: Observation) -> Iterator[CheckResult]:
    """Every result for a host, ok or not."""
    yield _operating_system(host, observed)
    yield _architecture(fleet, host, observed)
    if sends(host):
        yield from _size(host, observed)
    yield from _taken_ports(fleet, host, observed)
    yield from _engine(host, observed)
    yield _clock(host, observed)
    yield _host_name(host, observed)
    if outbound := _outbound(host, observed):
        yield outbound


def _result(host: Host, status: Status, name: str, message: str, remedy: str = "") -> CheckResult:
    return CheckResult(host.name, NAME, name, status, message, remedy)


def _operating_system(host: Host, observed: Observation) -> CheckResult:
    name, _, version = observed.fact(NAME, "os").partition(" ")
    major = int(version.partition(".")[0] or 0)
    if major in SUPPORTED.get(name, ()) or (
        name in SUPPORTED and host[DockerSettings].source == "docker"
    ):
        return _result(host, Status.OK, "os", f"{name} {version}")
    return _result(
        host,
        Status.FAIL,
        "os",
        f"{name} {version} is not supported",
        'install Debian 13, or set docker_source = "docker" on Debian 12 and Ubuntu',
    )


def _architecture(fleet: Fleet, host: Host, observed: Observation) -> CheckResult:
    machine = observed.fact(NAME, "architecture")
    for item in fleet.schema.definitions:
        if (
            item.machines
            and host.has(*(item.settings_roles or ()))
            and machine not in item.machines
        ):
            return _result(
                host,
                Status.FAIL,
                "architecture",
                f"{machine}: {item.image}'s image is for {' and '.join(item.machines)}",
                "use another server type",
            )
    return _result(host, Status.OK, "architecture", machine)


def _size(host: Host, observed: Observation) -> Iterator[CheckResult]:
    settings = host[PreflightSettings]
    memory = int(observed.fact(NAME, "memory") or 0)
    cores = int(observed.fact(NAME, "cores") or 0)
    size, available = (int(part) for part in (observed.fact(NAME, "disk") or "0 0").split())
    enough = {
        "memory": memory >= settings.memory_mb * _KERNEL_SHARE,
        "cores": cores >= settings.cores,
        "disk": size >= settings.disk_gb,
    }
    shown = {
        "memory": f"{memory} MiB, {settings.memory_mb} required",
        "cores": f"{cores}, {settings.cores} required",
        "disk": f"{size} GiB, {settings.disk_gb} required",
    }
    for name, is_enough in enough.items():
        if is_enough:
            yield _result(host, Status.OK, name, shown[name])
        else:
            remedy = f"use a larger server, or set {_SIZE_KEYS[name]} to what you accept"
            yield _result(host, Status.FAIL, name, shown[name], remedy)
    if available < 2:
        yield _result(
            host, Status.FAIL, "disk", f"{available} GiB are free", "make room in /var/lib/docker"
        )


def _taken_ports(fleet: Fleet, host: Host, observed: Observation) -> Iterator[CheckResult]:
    """Ports that another program holds. A deployed component holds its own."""
    listening: dict[int, str] = {}
    for line in observed.fact(NAME, "listening").splitlines():
        address, _, process = line.partition(" ")
        listening[int(address.rpartition(":")[2])] = process
    converged = {record.partition("/")[0] for record in observed.applied}
    clashes = [
        (use, listening[use.port])
        for use in ports_of(fleet, host)
        if use.protocol == "tcp"
        and use.port in listening
        and use.component not in converged
        and use.component != "access"
    ]
    if not clashes:
        yield _result(host, Status.OK, "ports", "free, or held by what mailfleet runs")
    for use, process in clashes:
        holder = process.split('"')[1] if '"' in process else "another program"
        yield _result(
            host,
            Status.FAIL,
            "ports",
            f"{holder} listens on port {use.port}, which {use.component} needs",
            f"stop and disable {holder}, or change {use.key}",
        )


def _engine(host: Host, observed: Observation) -> Iterator[CheckResult]:
    """Docker and Compose, where they are installed already."""
    docker = observed.fact(NAME, "docker")
    if docker and int(docker.partition(".")[0]) < DOCKER_MINIMUM:
        yield _result(
            host,
            Status.FAIL,
            "docker",
            f"Docker {docker}",
            f"install Docker {DOCKER_MINIMUM} or later",
        )
    elif docker:
        yield _result(host, Status.OK, "docker", docker)
    compose = observed.fact(NAME, "compose").removeprefix("v")
    if compose and tuple(int(part) for part in compose.split(".")[:2]) < COMPOSE_MINIMUM:
        required = ".".join(str(part) for part in COMPOSE_MINIMUM)
        yield _result(
            host,
            Status.FAIL,
            "compose",
            f"Compose {compose}",
            f"install Compose {required} or later",
        )
    elif compose:
        yield _result(host, Status.OK, "compose", compose)


def _clock(host: Host, observed: Observation) -> CheckResult:
    if observed.fact(NAME, "clock") == "yes":
        return _result(host, Status.OK, "clock", "synchronised")
    return _result(
        host,
        Status.WARN,
        "clock",
        "not synchronised yet",
        "base sets chrony up; if this stays, open UDP 123 outbound or set base_ntp_servers",
    )


def _host_name(host: Host, observed: Observation) -> CheckResult:
    resolved, _, own = observed.fact(NAME, "host-name").partition("--")
    addresses = {
        str(a) for a in (host[HostSettings].public_ipv4, host[HostSettings].public_ipv6) if a
    }
    addresses |= set(own.split()) | {"127.0.1.1"}
    name = host.fqdn
    if set(resolved.split()) & addresses:
        return _result(host, Status.OK, "host-name", f"{name} is this host")
    if not resolved.split():
        return _result(
            host,
            Status.WARN,
            "host-name",
            f"{name} does not resolve",
            "publish its A and AAAA records",
        )
    return _result(
        host,
        Status.FAIL,
        "host-name",
        f"{name} resolves to {' '.join(resolved.split())}, which is not this host",
        "correct the A record, host_fqdn, or host_public_ipv4 behind a NAT",
    )


def _outbound(host: Host, observed: Observation) -> CheckResult | None:
    if f"{NAME}/outbound-25" not in observed.facts:
        return None
    target = f"{host[PreflightSettings].outbound_host}:{host[PreflightSettings].outbound_port}"
    if observed.fact(NAME, "outbound-25") == "open":
        return _result(host, Status.OK, "outbound-25", f"{target} answers")
    remedy = (
        "Hetzner opens port 25 on request after the first month, Lightsail with the form "
        '"Request to remove email sending limitations"; or send through postal_relays and list '
        "outbound-25 in preflight_accept"
    )
    status = Status.WARN if host[PostalSettings].relays else Status.FAIL
    return _result(host, status, "outbound-25", f"{target} cannot be reached", remedy)
