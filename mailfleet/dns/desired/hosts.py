"""Addresses of the fleet's hosts, as records."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from mailfleet.dns.record import Record, Severity
from mailfleet.fleet.errors import Problem, SettingsError
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.settings import HostSettings

Address = IPv4Address | IPv6Address


def addresses(host: Host) -> list[Address]:
    """Public addresses of a host. Raises SettingsError if none is known."""
    found = [
        address
        for address in (host[HostSettings].public_ipv4, host[HostSettings].public_ipv6)
        if address is not None
    ]
    if not found:
        remedy = "DNS needs host_public_ipv4 or host_public_ipv6, and neither is set"
        raise SettingsError([Problem(f"host {host.name}", "host_public_ipv4", remedy)])
    return found


def address_records(
    fleet: Fleet,
    name: str,
    hosts: Sequence[Host],
    *,
    why: str,
    otherwise: str,
    severity: Severity,
    source: str,
) -> list[Record]:
    """A and AAAA for a name that these hosts serve. A host's own name is that host alone."""
    own = [host for host in fleet.hosts.values() if host.fqdn == name]
    found = [address for host in own or hosts for address in addresses(host)]
    by_type = {
        "A": tuple(str(address) for address in found if isinstance(address, IPv4Address)),
        "AAAA": tuple(str(address) for address in found if isinstance(address, IPv6Address)),
    }
    return [
        Record(name, kind, by_type[kind], why, otherwise, severity, source)
        for kind in ("A", "AAAA")
        if by_type[kind]
    ]
