"""What drift looks at beyond what converge does: one module per subject."""

from collections.abc import Iterator, Mapping

from mailfleet.converge.bundle import Bundle
from mailfleet.drift.look import Look
from mailfleet.drift.looks import (
    certificates,
    containers,
    database,
    email_api,
    host,
    in_force,
    logins,
    ports,
    running,
)
from mailfleet.settings.fleet import Fleet, Host


def looks(fleet: Fleet, at: Host, bundles: Mapping[str, Bundle]) -> Iterator[Look]:
    """Every look at a host that carries these bundles: all that it should carry, whatever part
    is deployed or reported. What is wanted of a component depends on other components only where
    it is one that every deploy goes through: its list on the host is as new as theirs."""
    yield from host.looks(bundles)
    yield from ports.looks(fleet, at)
    yield from logins.looks(at)
    yield from running.looks(bundles)
    yield from containers.looks(at, bundles)
    yield from in_force.looks(bundles)
    yield from certificates.looks(fleet, at)
    yield from database.looks(fleet, bundles)
    yield from email_api.looks(fleet, at, bundles)
