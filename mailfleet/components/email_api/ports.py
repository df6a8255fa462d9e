"""The port of the e-mail API, where a mailserver on another host needs it."""

from collections.abc import Iterator

from mailfleet.components.mailserver.settings import MailserverSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.ports import PortUse
from mailfleet.fleet.settings import HostSettings


def email_api_clients(fleet: Fleet, host: Host) -> tuple[str, ...]:
    """Mailservers on other hosts, which reach the API on the private network."""
    return tuple(
        f"{other[HostSettings].private_ipv4}/32"
        for other in fleet.with_role("mailserver")
        if other.name != host.name
        and other[HostSettings].private_ipv4
        and not other[MailserverSettings].api_address
    )


def ports(fleet: Fleet, host: Host) -> Iterator[PortUse]:
    """Ports that the e-mail API takes on a host."""
    clients = email_api_clients(fleet, host)
    if host.has("email_api") and clients:
        address = str(host[HostSettings].private_ipv4)
        yield PortUse(443, "tcp", address, "email_api", "email_api role", sources=clients)
