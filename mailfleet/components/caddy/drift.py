"""Drift of Caddy: the certificates that it serves."""

from collections.abc import Iterator, Mapping

from mailfleet.checks.drift_check import DriftCheck
from mailfleet.checks.served_certificates import served_certificates
from mailfleet.components.caddy.bundle import NAME
from mailfleet.converge.bundle import Bundle
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.sites import sites_of


def drift(fleet: Fleet, host: Host, bundles: Mapping[str, Bundle]) -> Iterator[DriftCheck]:
    """Drift checks of Caddy."""
    if names := [site.name for site in sites_of(fleet, host)]:
        yield served_certificates(NAME, "caddy", 443, "", names)
