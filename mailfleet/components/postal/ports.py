"""Ports of Postal's processes, and the Caddies in front of its web process."""

from collections.abc import Iterator

from mailfleet.components.postal.settings import POSTAL_PROCESSES, PostalSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.ports import ANYWHERE, LOOPBACK, PortUse
from mailfleet.fleet.settings import HostSettings

SMTP_HEALTH_PORT = 9091
FIRST_WORKER_HEALTH_PORT = 9090


def worker_health_ports(replicas: int) -> list[int]:
    """9090, 9092, 9093 ...: 9091 is the SMTP server's."""
    return [FIRST_WORKER_HEALTH_PORT, *range(SMTP_HEALTH_PORT + 1, SMTP_HEALTH_PORT + replicas)]


def ports(fleet: Fleet, host: Host) -> Iterator[PortUse]:
    """Ports that Postal takes on a host."""
    if host.has("postal_web"):
        sources = tuple(
            f"{other[HostSettings].private_ipv4}/32"
            for other in postal_fronts(fleet)
            if other.name != host.name and other[HostSettings].private_ipv4
        )
        address = web_address(fleet, host)
        port = host[PostalSettings].web_port
        yield PortUse(port, "tcp", address, "postal", "postal_web_port", sources=sources)
    if host.has("postal_smtp"):
        for port in host[PostalSettings].smtp_ports:
            yield PortUse(port, "tcp", ANYWHERE, "postal", "postal_smtp_ports")
        yield PortUse(SMTP_HEALTH_PORT, "tcp", LOOPBACK, "postal", "postal_smtp role")
    if host.has("postal_worker"):
        for port in worker_health_ports(host[PostalSettings].worker_replicas):
            yield PortUse(port, "tcp", LOOPBACK, "postal", "postal_worker_replicas")


def postal_fronts(fleet: Fleet) -> list[Host]:
    """The Caddies in front of Postal: those beside one of its processes, or else all that are not
    there for a mailserver."""
    caddies = fleet.with_role("caddy")
    beside = [host for host in caddies if host.has(*POSTAL_PROCESSES)]
    return beside or [host for host in caddies if not host.has("mailserver")]


def has_part_in_postal(fleet: Fleet, host: Host) -> bool:
    """Whether Postal, its database or the Caddy in front of it is on a host."""
    return host.has("database", *POSTAL_PROCESSES) or host in postal_fronts(fleet)


def web_address(fleet: Fleet, host: Host) -> str:
    """Where the web process listens: loopback, or the private network for a Caddy elsewhere."""
    elsewhere = any(other.name != host.name for other in postal_fronts(fleet))
    return str(host[HostSettings].private_ipv4) if elsewhere else LOOPBACK
