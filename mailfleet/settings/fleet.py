"""The fleet: every host with its checked settings, loaded from an inventory and group_data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from mailfleet.secrets import (
    MASK,
    MissingSecret,
    Secret,
    SecretRef,
    SecretsError,
    SecretStore,
    SecretUse,
    StoreSettings,
)
from mailfleet.settings.access import AccessSettings
from mailfleet.settings.base import BaseSettings
from mailfleet.settings.caddy import CaddySettings
from mailfleet.settings.dns import DnsSettings
from mailfleet.settings.docker import DockerSettings
from mailfleet.settings.email_api import EmailApiSettings
from mailfleet.settings.health import HealthSettings
from mailfleet.settings.host import HostSettings
from mailfleet.settings.mailserver import MailserverSettings
from mailfleet.settings.mariadb import MariadbSettings
from mailfleet.settings.model import ComponentSettings
from mailfleet.settings.postal import PostalSettings
from mailfleet.settings.preflight import PreflightSettings
from mailfleet.settings.secrets import SecretsSettings

POSTAL_PROCESSES = ("postal_web", "postal_smtp", "postal_worker")

ROLES = {
    "postal": "all three Postal processes",
    "postal_web": "Postal's web process",
    "postal_smtp": "Postal's SMTP server",
    "postal_worker": "Postal's workers",
    "database": "MariaDB",
    "caddy": "the web server",
    "mailserver": "SMTP ingress",
    "email_api": "the e-mail API, to which the mailserver hands mail",
    "server": "base and Docker only",
}

EVERY_HOST = frozenset(ROLES)
MODELS: dict[type[ComponentSettings], frozenset[str]] = {
    HostSettings: EVERY_HOST,
    SecretsSettings: EVERY_HOST,
    PreflightSettings: EVERY_HOST,
    HealthSettings: EVERY_HOST,
    BaseSettings: EVERY_HOST,
    AccessSettings: EVERY_HOST,
    DockerSettings: EVERY_HOST,
    DnsSettings: EVERY_HOST,
    MariadbSettings: frozenset({"database"}),
    CaddySettings: frozenset({"caddy"}),
    PostalSettings: frozenset({"postal", *POSTAL_PROCESSES}),
    MailserverSettings: frozenset({"mailserver"}),
    # The mailserver renders its recipients from the API's aliases, and proves itself by its key.
    EmailApiSettings: frozenset({"email_api", "mailserver"}),
}
"""Each settings model with the roles whose hosts must have all its required keys."""

KEYS = {key: model for model in MODELS for key in model.fields_by_key()}

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
        return any(role in self.roles for role in roles)

    def settings(self, model: type[Settings]) -> Settings:
        """Raises KeyError for a component whose required keys this host does not have."""
        found = self._settings[model]
        assert isinstance(found, model)
        return found

    def configured(self) -> Iterable[ComponentSettings]:
        return self._settings.values()

    @property
    def host(self) -> HostSettings:
        return self.settings(HostSettings)

    @property
    def health(self) -> HealthSettings:
        return self.settings(HealthSettings)

    @property
    def base(self) -> BaseSettings:
        return self.settings(BaseSettings)

    @property
    def access(self) -> AccessSettings:
        return self.settings(AccessSettings)

    @property
    def docker(self) -> DockerSettings:
        return self.settings(DockerSettings)

    @property
    def mariadb(self) -> MariadbSettings:
        return self.settings(MariadbSettings)

    @property
    def caddy(self) -> CaddySettings:
        return self.settings(CaddySettings)

    @property
    def postal(self) -> PostalSettings:
        return self.settings(PostalSettings)

    @property
    def mailserver(self) -> MailserverSettings:
        return self.settings(MailserverSettings)

    @property
    def email_api(self) -> EmailApiSettings:
        return self.settings(EmailApiSettings)

    @property
    def preflight(self) -> PreflightSettings:
        return self.settings(PreflightSettings)


@dataclass(frozen=True)
class Fleet:
    """All hosts of one inventory, by name, in inventory order."""

    hosts: Mapping[str, Host]
    directory: Path
    masked: bool = False
    """Render masks instead of secrets, for looking at what a host would get."""

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
            except MissingSecret as error:
                missing.append(f"  {error}")
        if missing:
            text = "\n".join(missing)
            raise SecretsError(f"secrets are missing, no host was touched:\n{text}")

    def with_role(self, *roles: str) -> list[Host]:
        return [host for host in self.hosts.values() if host.has(*roles)]

    @property
    def database(self) -> Host:
        """The database host. Raises IndexError in a fleet without one."""
        return self.with_role("database")[0]

    @property
    def postal(self) -> PostalSettings:
        """What all hosts of Postal share. Raises IndexError in a fleet without Postal."""
        return self.with_role(*POSTAL_PROCESSES)[0].postal

    @property
    def dns(self) -> DnsSettings:
        """What all hosts share of zones."""
        return next(iter(self.hosts.values())).settings(DnsSettings)

    @property
    def secret_store_settings(self) -> StoreSettings:
        settings = next(iter(self.hosts.values())).settings(SecretsSettings)
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
            if host.roles & MODELS[type(settings)]
            for key, value in settings.values().items()
            for ref in _references(value)
            if key not in _unused_secret_keys(settings)
        }
        return [uses[name] for name in sorted(uses)]


def _unused_secret_keys(settings: ComponentSettings) -> set[str]:
    """Keys whose secret is not needed as the settings stand, so `init` need not ask for it."""
    unused: set[str] = set()
    if isinstance(settings, PostalSettings):
        if settings.smtp_tls != "given":
            unused |= {"postal_smtp_certificate", "postal_smtp_certificate_key"}
        if settings.oidc_issuer is None:
            unused.add("postal_oidc_secret")
        if settings.admin_email is None:
            unused.add("postal_admin_password")
    if isinstance(settings, MailserverSettings):
        if settings.tls != "given":
            unused |= {"mailserver_certificate", "mailserver_certificate_key"}
        if settings.relay_user is None:
            unused.add("mailserver_relay_password")
        if not settings.dkim:
            unused.add("mailserver_dkim_key")
    if isinstance(settings, EmailApiSettings):
        if settings.relay_user is None:
            unused.add("email_api_relay_password")
        if settings.srs_domain is None:
            unused.add("email_api_srs_secret")
    if isinstance(settings, CaddySettings) and settings.tls != "given":
        unused |= {"caddy_certificate", "caddy_certificate_key"}
    return unused


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
