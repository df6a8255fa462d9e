"""The port of MariaDB, where Postal reaches it by one."""

from collections.abc import Iterator

from mailfleet.components.mariadb.settings import database_address, database_is_published
from mailfleet.components.postal.settings import postal_hosts
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.ports import PortUse
from mailfleet.fleet.settings import HostSettings


def ports(fleet: Fleet, host: Host) -> Iterator[PortUse]:
    """Ports that MariaDB takes on a host."""
    if host.has("database") and database_is_published(fleet):
        clients = tuple(
            f"{client[HostSettings].private_ipv4}/32"
            for client in postal_hosts(fleet)
            if client[HostSettings].private_ipv4 and not client.has("database")
        )
        address = database_address(fleet)
        yield PortUse(3306, "tcp", address, "mariadb", "database role", sources=clients)
