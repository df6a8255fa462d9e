"""Which hosts take the mail of a domain."""

import dataclasses

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
