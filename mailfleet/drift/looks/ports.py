"""Ports that something listens on without being described."""

from collections.abc import Iterator

from mailfleet.drift import judges
from mailfleet.drift.look import Look
from mailfleet.settings.fleet import Fleet, Host
from mailfleet.settings.ports import ports_of

NAME = "access"


def looks(fleet: Fleet, host: Host) -> Iterator[Look]:
    uses = [[use.protocol, use.port, use.address] for use in ports_of(fleet, host)]
    yield Look(NAME, "ports", ("ss -Hltnup",), judges.ports, uses)
