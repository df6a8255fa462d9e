"""Which sites the Caddy of a host serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailfleet.fleet.fleet import Fleet, Host


@dataclass(frozen=True)
class Site:
    """One name that Caddy answers to, with a certificate for it."""

    name: str
    upstreams: tuple[str, ...] = ()
    """`address:port` of the processes behind it; empty: only the certificate is needed."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Request headers that upstreams get besides those of the visitor."""
    policy_of: str = ""
    """Domain whose MTA-STS policy is served there, and nothing else (RFC 8461 section 3.3)."""
    why: str = ""
    """Shown to visitors, and in the Caddyfile, where there is nothing behind the name."""
    is_cname: bool = False
    """The name is an alias in DNS: no other record can stand beside it (RFC 1034 section 3.6.2)."""


def sites_of(fleet: Fleet, host: Host) -> list[Site]:
    """Every site of the Caddy on a host, in the order of components, policies last."""
    sites = [
        site
        for definition in fleet.schema.definitions
        if definition.sites
        for site in definition.sites(fleet, host)
    ]
    return sorted(sites, key=lambda site: bool(site.policy_of))
