"""Which sites the Caddy of each host serves, and which hosts stand in front of Postal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailfleet.settings.ports import postal_fronts, web_address

if TYPE_CHECKING:
    from mailfleet.settings.fleet import Fleet, Host


@dataclass(frozen=True)
class Site:
    """One name that Caddy answers to, with a certificate for it."""

    name: str
    upstreams: tuple[str, ...] = ()
    """`address:port` of the processes behind it; empty: only the certificate is wanted."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Request headers that upstreams get besides those of the visitor."""
    policy_of: str = ""
    """Domain whose MTA-STS policy stands there, and nothing else (RFC 8461 section 3.3)."""
    why: str = ""
    """Told to visitors, and in the Caddyfile, where there is nothing behind the name."""


def sites_of(fleet: Fleet, host: Host) -> list[Site]:
    """Every site of the Caddy on a host, by components that are in front of or beside it."""
    sites = _postal_sites(fleet, host) if host in postal_fronts(fleet) else []
    if host.has("mailserver") and host.mailserver.tls == "caddy":
        sites.append(Site(host.mailserver.hostname, why="mailserver"))
    sites += [
        Site(f"mta-sts.{domain}", policy_of=domain)
        for domain, policy in fleet.dns.mta_sts.items()
        if policy.served_by == host.name
    ]
    return sites


def _postal_sites(fleet: Fleet, host: Host) -> list[Site]:
    if not fleet.with_role("postal_web"):
        return []
    postal = fleet.postal
    # This host's own web process first.
    web_hosts = sorted(fleet.with_role("postal_web"), key=lambda other: other.name != host.name)
    upstreams = tuple(f"{web_address(fleet, web)}:{web.postal.web_port}" for web in web_hosts)
    sites = [Site(postal.web_hostname, upstreams)]
    # Caddy holds the certificate that SMTP uses, so it must serve that name too.
    if postal.smtp_tls == "caddy" and postal.smtp_name != postal.web_hostname:
        sites.append(Site(postal.smtp_name, why="SMTP server"))
    # Postal manual, "Click & Open Tracking"
    header = {"X-Postal-Track-Host": "1"}
    return sites + [Site(name, upstreams, header) for name in postal.track_domains]
