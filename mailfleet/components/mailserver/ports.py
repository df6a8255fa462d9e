"""Ports of docker-mailserver."""

from collections.abc import Iterator

from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.ports import ANYWHERE, PortUse

MAILSERVER_PORTS = (25, 465, 587)
"""SMTP, submissions (RFC 8314) and submission (RFC 6409)."""


def ports(fleet: Fleet, host: Host) -> Iterator[PortUse]:
    """Ports that the mailserver takes on a host."""
    if host.has("mailserver"):
        for port in MAILSERVER_PORTS:
            yield PortUse(port, "tcp", ANYWHERE, "mailserver", "mailserver role")
