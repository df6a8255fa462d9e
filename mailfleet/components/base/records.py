"""DNS records of the hosts' own names."""

from mailfleet.dns.desired.hosts import address_records
from mailfleet.dns.record import Record, Severity
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.settings import HostSettings


def records(fleet: Fleet) -> list[Record]:
    """DNS records of the hosts' own names, as far as their addresses are known."""
    return [
        record
        for host in fleet.hosts.values()
        if host[HostSettings].public_ipv4 or host[HostSettings].public_ipv6
        for record in address_records(
            fleet,
            host.fqdn,
            [host],
            why="the host's own name",
            otherwise="Mail still flows, but nobody can reach the host by its name.",
            severity=Severity.RECOMMENDED,
            source="RFC 1912 section 2.1",
        )
    ]
