"""What drift looks at beyond what converge does: one module per subject."""

from collections.abc import Iterator, Mapping

from mailfleet.components import email_api as email_api_component
from mailfleet.components import mariadb
from mailfleet.converge.bundle import Bundle
from mailfleet.converge.observe import Observation
from mailfleet.drift.finding import Difference
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
    is reported."""
    yield from host.looks(bundles)
    yield from ports.looks(fleet, at)
    yield from logins.looks(at)
    # Asked together: what runs, since when, and of which image.
    services = running.question(bundles) + containers.QUESTION
    yield from running.looks(bundles, services)
    yield from containers.looks(bundles, services)
    yield from in_force.looks(bundles)
    yield from certificates.looks(fleet, at)


def in_force_of(fleet: Fleet, at: Host, bundle: Bundle, seen: Observation) -> Iterator[Difference]:
    """What differs by what a component's servers say to the questions of converge itself."""
    if bundle.component == mariadb.NAME:
        yield from database.in_force(fleet, bundle, seen)
    elif bundle.component == email_api_component.NAME:
        yield from email_api.in_force(fleet, at, seen)
