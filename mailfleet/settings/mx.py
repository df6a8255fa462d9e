"""Which hosts take the mail of a domain, and what certificates they show."""

import dataclasses

from mailfleet.secrets import SecretRef
from mailfleet.settings.fleet import POSTAL_PROCESSES, Fleet
from mailfleet.settings.postal_yml.configuration import configuration


def mx_hosts(fleet: Fleet, domain: str) -> list[str]:
    """MX hosts of a domain whose mail arrives at the fleet's mailservers or Postal; empty for
    others."""
    hosts = [
        host.mailserver.hostname
        for host in fleet.with_role("mailserver")
        if domain in host.mailserver.domains
    ]
    for host in fleet.with_role(*POSTAL_PROCESSES)[:1]:
        names = configuration(dataclasses.replace(fleet, masked=True), host)["dns"]
        if domain in (names["return_path_domain"], names["route_domain"]):
            hosts += names["mx_records"]
    return hosts


def given_certificates(fleet: Fleet) -> dict[str, SecretRef]:
    """Name of each mail server whose certificate the operator gives -> that certificate."""
    found = {
        host.mailserver.hostname: host.mailserver.certificate
        for host in fleet.with_role("mailserver")
        if host.mailserver.tls == "given"
    }
    for host in fleet.with_role(*POSTAL_PROCESSES):
        if host.postal.smtp_tls == "given":
            found[host.postal.smtp_name] = host.postal.smtp_certificate
    return found
