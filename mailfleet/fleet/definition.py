"""What the fleet knows of a component: its roles, its settings and the rules between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from mailfleet.fleet.errors import Problem
from mailfleet.fleet.model import ComponentSettings
from mailfleet.fleet.ports import PortUse
from mailfleet.fleet.settings import HostSettings, SecretsSettings
from mailfleet.fleet.sites import Site
from mailfleet.secrets import SecretRef

if TYPE_CHECKING:
    from mailfleet.fleet.fleet import Fleet, Host

Rule = Callable[["Fleet"], Iterable[Problem]]
"""Yields every violation of one rule that spans several settings or several hosts."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """The part of a component that the fleet is built from. All of it is pure."""

    name: str
    """Prefix of its settings and name of its directories."""
    introduces: Mapping[str, str] = field(default_factory=dict)
    """Roles that come with it -> what a host with the role runs."""
    implies: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Role -> further roles of a host that has it."""
    roles: frozenset[str] | None = None
    """A host with one of these roles carries the component; None: every host."""
    settings: type[ComponentSettings] | None = None
    configured_on: frozenset[str] | None = None
    """Roles whose hosts must have all its required settings. Default: `roles`."""
    rules: Sequence[Rule] = ()
    secret_rules: Sequence[Rule] = ()
    """Rules about values of secrets; they raise SecretsError, and problems never show a value."""
    ports: Callable[[Fleet, Host], Iterable[PortUse]] | None = None
    """What listens on a host, for the firewall, the clash check, preflight and drift."""
    sites: Callable[[Fleet, Host], Iterable[Site]] | None = None
    """Names that the Caddy of a host serves for the component."""
    mx: Callable[[Fleet, str], Iterable[str]] | None = None
    """MX hosts with which it receives the mail of a domain."""
    certificates: Callable[[Fleet], Mapping[str, SecretRef]] | None = None
    """Name of each of its mail servers whose certificate the operator gives -> that certificate."""

    image: str = ""
    """The program in its container image, whose `machines` matter."""
    machines: tuple[str, ...] = ()
    """Machines (uname -m) that its container image is made for."""

    def on(self, fleet: Fleet, host: Host) -> bool:
        """Whether a host carries the component."""
        return self.roles is None or host.has(*self.roles)

    @property
    def settings_roles(self) -> frozenset[str] | None:
        """Roles whose hosts must have all its required settings; None: every host."""
        return self.roles if self.configured_on is None else self.configured_on


CORE = (
    Definition(name="host", settings=HostSettings),
    Definition(name="secrets", settings=SecretsSettings),
)
"""What every fleet has, whatever its components are."""


@dataclass(frozen=True)
class Schema:
    """What can be written in an inventory and in group_data."""

    definitions: Sequence[Definition]

    @cached_property
    def models(self) -> Mapping[type[ComponentSettings], frozenset[str] | None]:
        """Settings models with the roles whose hosts must have all their required keys."""
        return {item.settings: item.settings_roles for item in self.definitions if item.settings}

    @cached_property
    def keys(self) -> Mapping[str, type[ComponentSettings]]:
        """Every setting -> the model that it belongs to."""
        return {key: model for model in self.models for key in model.fields_by_key()}

    @cached_property
    def renamed(self) -> Mapping[str, str]:
        """Previous keys -> the keys that replaced them."""
        return {old: new for model in self.models for old, new in model.renamed.items()}

    @cached_property
    def roles(self) -> Mapping[str, str]:
        """Every role -> what a host with it runs."""
        return {
            role: meaning for item in self.definitions for role, meaning in item.introduces.items()
        }

    def with_implied(self, roles: frozenset[str]) -> frozenset[str]:
        """The roles, and those that they stand for."""
        implied = (
            item.implies[role] for item in self.definitions for role in roles & item.implies.keys()
        )
        return roles.union(*implied)

    def configures(self, model: type[ComponentSettings], roles: frozenset[str]) -> bool:
        """Whether a host with these roles must have all required settings of a model."""
        wanted_by = self.models[model]
        return wanted_by is None or bool(roles & wanted_by)
