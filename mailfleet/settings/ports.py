"""Which ports each component takes on a host: for the firewall, the clash check and preflight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailfleet.settings.fleet import Fleet, Host

DATABASE_NETWORK = "mailfleet-database"
"""Docker network on the database host: MariaDB and, beside it, its clients."""

EMAIL_API_NETWORK = "email-api"
"""Docker network of the e-mail API, in which it answers to the name `email-api`."""

LOOPBACK = "127.0.0.1"
ANYWHERE = "0.0.0.0"


@dataclass(frozen=True)
class PortUse:
    """One port taken on one host."""

    port: int
    protocol: str
    address: str
    component: str
    key: str
    """The setting that decides it."""
    reason: str = ""
    """What it is for, in the words of whoever opened it."""
    sources: tuple[str, ...] | None = None
    """Networks that may connect; None: everyone, empty: nobody (loopback is the host's own)."""

    @property
    def inbound(self) -> bool:
        return self.address != LOOPBACK


MAILSERVER_PORTS = (25, 465, 587)
"""SMTP, submissions (RFC 8314) and submission (RFC 6409)."""

SMTP_HEALTH_PORT = 9091
FIRST_WORKER_HEALTH_PORT = 9090


def worker_health_ports(replicas: int) -> list[int]:
    """9090, 9092, 9093 ...: 9091 is the SMTP server's."""
    return [FIRST_WORKER_HEALTH_PORT, *range(SMTP_HEALTH_PORT + 1, SMTP_HEALTH_PORT + replicas)]


def database_is_published(fleet: Fleet) -> bool:
    """Postal on another host, or on the host's own network, reaches the database by a port."""
    postal_hosts = fleet.with_role("postal_web", "postal_smtp", "postal_worker")
    return any(
        not host.has("database") or host.postal.networking == "host" for host in postal_hosts
    )


def database_address(fleet: Fleet) -> str:
    """Address the database port is published on: the private network only if others need it."""
    database = fleet.database
    remote = any(
        not host.has("database")
        for host in fleet.with_role("postal_web", "postal_smtp", "postal_worker")
    )
    return str(database.host.private_ipv4) if remote else LOOPBACK


def _database_clients(fleet: Fleet) -> tuple[str, ...]:
    hosts = fleet.with_role("postal_web", "postal_smtp", "postal_worker")
    return tuple(
        f"{host.host.private_ipv4}/32"
        for host in hosts
        if host.host.private_ipv4 and not host.has("database")
    )


def email_api_clients(fleet: Fleet, host: Host) -> tuple[str, ...]:
    """Mailservers on other hosts, which reach the API on the private network."""
    return tuple(
        f"{other.host.private_ipv4}/32"
        for other in fleet.with_role("mailserver")
        if other.name != host.name and other.host.private_ipv4 and not other.mailserver.api_address
    )


def ports_of(fleet: Fleet, host: Host) -> list[PortUse]:
    """Every port the fleet's components take on a host."""
    uses = [PortUse(host.access.ssh_port, "tcp", ANYWHERE, "access", "access_ssh_port")]
    uses += [
        PortUse(
            opening.port,
            opening.protocol,
            ANYWHERE,
            "access",
            "access_open",
            opening.reason,
            opening.sources,
        )
        for opening in host.access.open
    ]
    if host.has("database") and database_is_published(fleet):
        clients = _database_clients(fleet)
        address = database_address(fleet)
        uses.append(PortUse(3306, "tcp", address, "mariadb", "database role", sources=clients))
    if host.has("caddy"):
        uses += [
            PortUse(80, "tcp", ANYWHERE, "caddy", "caddy role"),
            PortUse(443, "tcp", ANYWHERE, "caddy", "caddy role"),
            PortUse(443, "udp", ANYWHERE, "caddy", "caddy role"),
        ]
    if host.has("email_api") and email_api_clients(fleet, host):
        uses.append(
            PortUse(
                443,
                "tcp",
                str(host.host.private_ipv4),
                "email_api",
                "email_api role",
                sources=email_api_clients(fleet, host),
            )
        )
    if host.has("mailserver"):
        uses += [
            PortUse(port, "tcp", ANYWHERE, "mailserver", "mailserver role")
            for port in MAILSERVER_PORTS
        ]
    return uses + _postal_ports(fleet, host)


def _postal_ports(fleet: Fleet, host: Host) -> list[PortUse]:
    uses = []
    if host.has("postal_web"):
        address = web_address(fleet, host)
        sources = tuple(
            f"{other.host.private_ipv4}/32"
            for other in postal_fronts(fleet)
            if other.name != host.name and other.host.private_ipv4
        )
        uses.append(
            PortUse(
                host.postal.web_port, "tcp", address, "postal", "postal_web_port", sources=sources
            )
        )
    if host.has("postal_smtp"):
        uses += [
            PortUse(port, "tcp", ANYWHERE, "postal", "postal_smtp_ports")
            for port in host.postal.smtp_ports
        ]
        uses.append(PortUse(SMTP_HEALTH_PORT, "tcp", LOOPBACK, "postal", "postal_smtp role"))
    if host.has("postal_worker"):
        uses += [
            PortUse(port, "tcp", LOOPBACK, "postal", "postal_worker_replicas")
            for port in worker_health_ports(host.postal.worker_replicas)
        ]
    return uses


def postal_fronts(fleet: Fleet) -> list[Host]:
    """The Caddies in front of Postal: those beside one of its processes, or else all that are not
    there for a mailserver."""
    caddies = fleet.with_role("caddy")
    beside = [host for host in caddies if host.has("postal_web", "postal_smtp", "postal_worker")]
    return beside or [host for host in caddies if not host.has("mailserver")]


def has_part_in_postal(fleet: Fleet, host: Host) -> bool:
    """Whether Postal, its database or the Caddy in front of it is on a host."""
    processes = ("postal_web", "postal_smtp", "postal_worker")
    return host.has("database", *processes) or host in postal_fronts(fleet)


def web_address(fleet: Fleet, host: Host) -> str:
    """Where the web process is reached: loopback, or the private network for a Caddy elsewhere."""
    elsewhere = any(other.name != host.name for other in postal_fronts(fleet))
    return str(host.host.private_ipv4) if elsewhere else LOOPBACK
