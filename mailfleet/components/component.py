"""A component: what the fleet knows of it, and what it puts on hosts and in DNS."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mailfleet.checks.drift_check import DriftCheck
from mailfleet.checks.probe import AnyProbe
from mailfleet.converge.bundle import Bundle
from mailfleet.dns.record import Record
from mailfleet.fleet.definition import Definition
from mailfleet.fleet.fleet import Fleet, Host


@dataclass(frozen=True, kw_only=True)
class Component(Definition):
    """Its faces, each absent where there is nothing to it. All but `deploy` are pure."""

    title: str = ""
    """What it is, in a few words, for tables of the documentation."""
    bundle: Callable[[Fleet, Host], Bundle] | None = None
    """What a host should have of it: files, packages, units, a compose project."""
    deploy: Callable[..., Any] = lambda: None
    """Converge it on the current host, after `mailfleet.deploying.start.plan`."""
    probes: Callable[[Fleet, Host], Iterable[AnyProbe]] | None = None
    """What healthy means, on the host and from outside."""
    drift: Callable[[Fleet, Host, Mapping[str, Bundle]], Iterable[DriftCheck]] | None = None
    """What its bundle cannot tell, such as effective options. Gets the bundles of the host."""
    records: Callable[[Fleet], Iterable[Record]] | None = None
    """DNS records that it needs, for the whole fleet. Raises SettingsError and SecretsError."""
