"""MTA-STS policies that Caddy serves."""

from collections.abc import Iterator

from mailfleet.dns.settings import DnsSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.sites import Site


def sites(fleet: Fleet, host: Host) -> Iterator[Site]:
    """Sites of the MTA-STS policies that a host serves (RFC 8461 section 3.3)."""
    for domain, policy in fleet[DnsSettings].mta_sts.items():
        if policy.served_by == host.name:
            yield Site(f"mta-sts.{domain}", policy_of=domain)
