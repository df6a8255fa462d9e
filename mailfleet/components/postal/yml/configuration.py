"""postal.yml (version 2) from the settings."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from mailfleet.components.mariadb.settings import database_address
from mailfleet.components.postal.ports import SMTP_HEALTH_PORT
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.ports import LOOPBACK
from mailfleet.secrets import SecretRef

Configuration = dict[str, dict[str, Any]]


# Key of postal.yml -> the settings that feed it. The first gives it, the others stand in for that.
FED_BY: Mapping[str, tuple[str, ...]] = {
    "postal.web_hostname": ("postal_web_hostname",),
    "postal.smtp_hostname": ("postal_smtp_hostname", "postal_web_hostname"),
    "postal.use_ip_pools": ("postal_use_ip_pools",),
    "postal.smtp_relays": ("postal_relays",),
    "postal.allowed_request_destinations": ("postal_allowed_request_destinations",),
    "postal.trusted_proxies": ("postal_trusted_proxies",),
    "web_server.default_port": ("postal_web_port",),
    "web_server.max_threads": ("postal_web_max_threads",),
    "worker.threads": ("postal_worker_threads",),
    "main_db.username": ("postal_database_user",),
    "main_db.password": ("postal_database_password",),
    "main_db.database": ("postal_database_name",),
    "main_db.pool_size": ("postal_web_max_threads",),
    "message_db.username": ("postal_database_user",),
    "message_db.password": ("postal_database_password",),
    "message_db.database_name_prefix": ("postal_database_prefix",),
    "gelf.host": ("postal_gelf_host",),
    "gelf.port": ("postal_gelf_port",),
    "smtp_server.default_port": ("postal_smtp_ports",),
    "smtp_server.default_health_server_port": ("postal_smtp_ports",),
    "smtp_server.max_message_size": ("postal_max_message_mb",),
    "smtp_server.tls_enabled": ("postal_smtp_tls",),
    "dns.mx_records": ("postal_mx_names", "postal_smtp_hostname", "postal_web_hostname"),
    "dns.spf_include": ("postal_spf_include", "postal_web_hostname"),
    "dns.return_path_domain": ("postal_return_path_domain", "postal_web_hostname"),
    "dns.route_domain": ("postal_route_domain", "postal_web_hostname"),
    "dns.track_domain": ("postal_track_domain", "postal_web_hostname"),
    "dns.helo_hostname": ("postal_helo_hostname", "postal_smtp_hostname", "postal_web_hostname"),
    "smtp.from_name": ("postal_from_name",),
    "smtp.from_address": ("postal_from_address", "postal_web_hostname"),
    "rails.secret_key": ("postal_rails_secret_key",),
    "rspamd.enabled": ("postal_rspamd_host",),
    "rspamd.host": ("postal_rspamd_host",),
    "rspamd.port": ("postal_rspamd_port",),
    "spamd.enabled": ("postal_spamd_host",),
    "spamd.host": ("postal_spamd_host",),
    "spamd.port": ("postal_spamd_port",),
    "clamav.enabled": ("postal_clamav_host",),
    "clamav.host": ("postal_clamav_host",),
    "clamav.port": ("postal_clamav_port",),
    "oidc.enabled": ("postal_oidc_issuer",),
    "oidc.name": ("postal_oidc_name",),
    "oidc.issuer": ("postal_oidc_issuer",),
    "oidc.identifier": ("postal_oidc_identifier", "postal_oidc_issuer"),
    "oidc.secret": ("postal_oidc_secret", "postal_oidc_issuer"),
    "oidc.scopes": ("postal_oidc_scopes",),
    "oidc.local_authentication_enabled": ("postal_oidc_local_authentication",),
}


def configuration(fleet: Fleet, host: Host) -> Configuration:
    """Groups and keys of postal.yml, secrets in plain text; `postal_config` has the last word."""
    overrides = _plain(fleet, host[PostalSettings].config)
    return _merge(settings_only(fleet, host), overrides)


def settings_only(fleet: Fleet, host: Host) -> Configuration:
    """What the settings make of postal.yml before `postal_config`."""
    settings = host[PostalSettings]
    groups: Configuration = {
        "postal": _postal(settings),
        "web_server": {
            "default_port": settings.web_port,
            # On a bridge the port is published by Docker, on loopback of the host only.
            "default_bind_address": "0.0.0.0" if settings.networking == "bridge" else LOOPBACK,
            "max_threads": settings.web_max_threads,
        },
        "worker": {"threads": settings.worker_threads},
        "main_db": _database(fleet, host)
        | {
            "database": settings.database_name,
            # Every thread of the web process holds a connection.
            "pool_size": max(5, settings.web_max_threads),
        },
        "message_db": _database(fleet, host) | {"database_name_prefix": settings.database_prefix},
        "logging": {"enabled": True},
        "gelf": {"host": settings.gelf_host, "port": settings.gelf_port}
        if settings.gelf_host
        else {},
        "smtp_server": _smtp_server(settings),
        "dns": _dns(settings),
        "smtp": _own_mail(settings),
        "rails": {"secret_key": fleet.value(settings.rails_secret_key).reveal()},
        **_filters(settings),
        "oidc": _oidc(fleet, settings),
    }
    return _merge(groups, {})


def _postal(settings: PostalSettings) -> dict[str, Any]:
    values: dict[str, Any] = {
        "web_hostname": settings.web_hostname,
        "web_protocol": "https",
        "smtp_hostname": settings.smtp_name,
        "use_ip_pools": settings.use_ip_pools,
        "signing_key_path": "/config/signing.key",
        # Postal deletes the queue row of a message whose worker died after this many days, and
        # with it the message, silently.
        "queued_message_lock_stale_days": 30,
    }
    if settings.relays:
        values["smtp_relays"] = settings.relays
    if settings.allowed_request_destinations:
        values["allowed_request_destinations"] = settings.allowed_request_destinations
    proxies = list(settings.trusted_proxies)
    if settings.networking == "bridge":
        own = f"{gateway(settings)}/32"
        proxies += [] if own in proxies else [own]
    if proxies:
        values["trusted_proxies"] = proxies
    return values


def gateway(settings: PostalSettings) -> str:
    """Address of the host on Postal's network: what a published port sees as its client."""
    return str(next(iter(ipaddress.ip_network(settings.subnet).hosts())))


def _database(fleet: Fleet, host: Host) -> dict[str, Any]:
    if host[PostalSettings].networking == "bridge" and host.has("database"):
        address = "mariadb"
    else:
        address = database_address(fleet)
    return {
        "host": address,
        "port": 3306,
        "username": host[PostalSettings].database_user,
        "password": fleet.value(host[PostalSettings].database_password).reveal(),
    }


def _smtp_server(settings: PostalSettings) -> dict[str, Any]:
    values: dict[str, Any] = {
        "default_port": settings.smtp_ports[0] if settings.networking == "host" else 25,
        "default_health_server_port": SMTP_HEALTH_PORT,
        "max_message_size": settings.max_message_mb,
        "log_connections": True,
    }
    if settings.smtp_tls != "off":
        values |= {
            "tls_enabled": True,
            "tls_certificate_path": "/config/tls/smtp.cert",
            "tls_private_key_path": "/config/tls/smtp.key",
        }
    return values


def _dns(settings: PostalSettings) -> dict[str, Any]:
    under = settings.name_under_web
    return {
        "mx_records": settings.mx_names or [settings.smtp_name],
        "spf_include": under(settings.spf_include, "spf"),
        "return_path_domain": under(settings.return_path_domain, "rp"),
        "route_domain": under(settings.route_domain, "routes"),
        "track_domain": under(settings.track_domain, "track"),
        "helo_hostname": settings.helo_hostname or settings.smtp_name,
    }


def _own_mail(settings: PostalSettings) -> dict[str, Any]:
    """Invitations and password resets go through Postal's own SMTP server by default; without
    credentials that only delivers once `postal_config` names a server that takes them."""
    return {
        "from_name": settings.from_name,
        "from_address": settings.from_address or f"postal@{settings.web_hostname}",
    }


def _filters(settings: PostalSettings) -> Configuration:
    filters = {
        "rspamd": (settings.rspamd_host, settings.rspamd_port),
        "spamd": (settings.spamd_host, settings.spamd_port),
        "clamav": (settings.clamav_host, settings.clamav_port),
    }
    return {
        name: {"enabled": True, "host": address, "port": port}
        for name, (address, port) in filters.items()
        if address
    }


def _oidc(fleet: Fleet, settings: PostalSettings) -> dict[str, Any]:
    if settings.oidc_issuer is None:
        return {}
    values: dict[str, Any] = {
        "enabled": True,
        "name": settings.oidc_name,
        "issuer": settings.oidc_issuer,
        "secret": fleet.value(settings.oidc_secret).reveal(),
        "scopes": settings.oidc_scopes,
        "local_authentication_enabled": settings.oidc_local_authentication,
    }
    if settings.oidc_identifier is not None:
        values["identifier"] = settings.oidc_identifier
    return values


def _plain(fleet: Fleet, value: Any) -> Any:
    """The value with every reference to a secret in it replaced by the secret."""
    if isinstance(value, SecretRef):
        return fleet.value(value).reveal()
    if isinstance(value, Mapping):
        return {name: _plain(fleet, item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(fleet, item) for item in value]
    return value


def _merge(groups: Configuration, overrides: Mapping[str, Any]) -> Configuration:
    merged = {name: dict(values) for name, values in groups.items()}
    for name, values in overrides.items():
        # Anything else is refused by the check of the fleet, except `version: 2`.
        if isinstance(values, Mapping):
            merged[name] = merged.get(name, {}) | dict(values)
    # An empty group would keep Postal from starting.
    return {name: values for name, values in merged.items() if values}
