"""Domains whose mail Postal receives, and the certificate its SMTP server presents."""

import dataclasses
from collections.abc import Sequence

from mailfleet.components.postal.settings import PostalSettings, postal_hosts
from mailfleet.components.postal.yml.configuration import configuration
from mailfleet.fleet.fleet import Fleet
from mailfleet.secrets.reference import SecretRef


def mx(fleet: Fleet, domain: str) -> Sequence[str]:
    """MX hosts of Postal's return path and route domains; none for other domains."""
    for host in postal_hosts(fleet)[:1]:
        names = configuration(dataclasses.replace(fleet, masked=True), host)["dns"]
        if domain in (names["return_path_domain"], names["route_domain"]):
            mx_records: Sequence[str] = names["mx_records"]
            return mx_records
    return ()


def certificates(fleet: Fleet) -> dict[str, SecretRef]:
    """Name of each SMTP server whose certificate the operator gives -> that certificate."""
    return {
        host[PostalSettings].smtp_name: host[PostalSettings].smtp_certificate
        for host in postal_hosts(fleet)
        if host[PostalSettings].smtp_tls == "given"
    }
