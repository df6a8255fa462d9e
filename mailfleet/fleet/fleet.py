"""The fleet: every host with its checked settings, loaded from an inventory and group_data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from mailfleet.fleet.definition import Schema
from mailfleet.fleet.model import ComponentSettings
from mailfleet.fleet.settings import HostSettings, SecretsSettings
from mailfleet.secrets import (
    MASK,
    MissingSecretError,
    Secret,
    SecretRef,
    SecretsError,
    SecretStore,
    SecretUse,
    StoreSettings,
)

Settings = TypeVar("Settings", bound=ComponentSettings)


@dataclass(frozen=True)
class Host:
    """One host: its roles and its settings, all of them checked."""

    name: str
    roles: frozenset[str]
    origins: Mapping[str, str] = field(repr=False)
    """Key -> where it was set."""
    _settings: Mapping[type[ComponentSettings], ComponentSettings] = field(repr=False)

    def has(self, *roles: str) -> bool:
        """Whether the host has one of the roles."""
        return any(role in self.roles for role in roles)

    def __getitem__(self, model: type[Settings]) -> Settings:
        """Settings of one component, such as `host[PostalSettings]`. Raises KeyError for a
        component whose required keys this host does not have."""
        settings = self._settings[model]
        assert isinstance(settings, model)
        return settings

    def configured(self) -> Iterable[ComponentSettings]:
        """Settings of every component that this host has all required keys of."""
        return self._settings.values()

    @property
    def fqdn(self) -> str:
        """Fully qualified name of the host."""
        return self[HostSettings].fqdn


@dataclass(frozen=True)
class Fleet:
    """All hosts of one inventory, by name, in inventory order."""

    hosts: Mapping[str, Host]
    directory: Path
    schema: Schema = field(repr=False)
    masked: bool = False
    """Render masks instead of secrets, to inspect what a host would get."""

    def __getitem__(self, model: type[Settings]) -> Settings:
        """Settings that all hosts of a component share, such as `fleet[PostalSettings]`: those of
        the first one. Raises IndexError in a fleet without such a host."""
        hosts = [h for h in self.hosts.values() if self.schema.configures(model, h.roles)]
        return hosts[0][model]

    def value(self, ref: SecretRef) -> Secret:
        """The value of a secret. Raises SecretsError."""
        return Secret(MASK) if self.masked else self._store.get(ref.name)

    @cached_property
    def _store(self) -> SecretStore:
        return self.secret_store_settings.open()

    def require_secrets(self) -> None:
        """Raises SecretsError that names every missing secret and what to do."""
        missing = []
        for name in sorted({use.ref.name for use in self.secret_uses}):
            try:
                self._store.get(name)
            except MissingSecretError as error:
                missing.append(f"  {error}")
        if missing:
            text = "\n".join(missing)
            raise SecretsError(f"secrets are missing, no host was touched:\n{text}")

    def with_role(self, *roles: str) -> list[Host]:
        """Hosts with one of the roles, in inventory order."""
        return [host for host in self.hosts.values() if host.has(*roles)]

    @property
    def secret_store_settings(self) -> StoreSettings:
        """Where the values of secrets are kept."""
        settings = self[SecretsSettings]
        return StoreSettings(
            backend=settings.backend,
            file=self.directory / settings.file,
            identity=self.directory / settings.identity if settings.identity else None,
        )

    @property
    def secret_uses(self) -> list[SecretUse]:
        """Every secret that some host's settings refer to, with the keys that do."""
        uses = {
            (ref.name, host.name, key): SecretUse(ref=ref, where=f"{host.name} {key}")
            for host in self.hosts.values()
            for settings in host.configured()
            if self.schema.configures(type(settings), host.roles)
            for key, value in settings.values().items()
            for ref in _references(value)
            if key not in settings.unused_secrets()
        }
        return [uses[name] for name in sorted(uses)]


def _references(value: Any) -> list[SecretRef]:
    if isinstance(value, SecretRef):
        return [value]
    if isinstance(value, BaseModel):
        return [ref for _, item in value for ref in _references(item)]
    if isinstance(value, Mapping):
        return [ref for item in value.values() for ref in _references(item)]
    if isinstance(value, list | tuple):
        return [ref for item in value for ref in _references(item)]
    return []
