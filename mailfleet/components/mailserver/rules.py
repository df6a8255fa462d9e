"""Rules of the mailserver that span several settings or several hosts."""

import re
from collections.abc import Iterator

from mailfleet.components.email_api.settings import EmailApiSettings
from mailfleet.components.mailserver.settings import MailserverSettings
from mailfleet.fleet.definition import Rule
from mailfleet.fleet.errors import Problem, problem_at
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.settings import HostSettings

_MB = 1_000_000
_MARGIN = 64 * 1024
"""Bytes that Received, Return-Path and X-Original-To may add on the way."""


def api_host(fleet: Fleet) -> Host | None:
    """The host that carries the e-mail API; None where the fleet has none."""
    return next(iter(fleet.with_role("email_api")), None)


def _image(fleet: Fleet) -> Iterator[Problem]:
    for host in fleet.with_role("mailserver"):
        settings = host[MailserverSettings]
        if settings.version.partition("@")[0] == "16.0.0":
            yield problem_at(
                host,
                "mailserver_version",
                "16.0.0 rejects every alias by its quota check: use 16.0.1 or 15.1.0",
            )
        if settings.clamav and not settings.rspamd:
            yield problem_at(host, "mailserver_clamav", "needs mailserver_rspamd = True")
        if settings.sender_checks and settings.rspamd:
            yield problem_at(
                host, "mailserver_sender_checks", "Rspamd checks SPF and DMARC itself: leave it out"
            )
        if settings.relay_user and not settings.relay_host:
            yield problem_at(host, "mailserver_relay_user", "needs mailserver_relay_host")


def _names(fleet: Fleet) -> Iterator[Problem]:
    """The image counts its own name among local destinations, and no domain may be twice."""
    for host in fleet.with_role("mailserver"):
        settings = host[MailserverSettings]
        if settings.hostname in settings.domains:
            yield problem_at(
                host, "mailserver_domains", f"holds mailserver_hostname {settings.hostname}"
            )
        if settings.hostname in settings.sending_domains:
            yield problem_at(
                host, "mailserver_accounts", f"an account cannot be at {settings.hostname} itself"
            )
        for alias in host[EmailApiSettings].aliases:
            if alias.rpartition("@")[2] not in settings.domains:
                yield problem_at(
                    host, "email_api_aliases", f"{alias}: its domain is not in mailserver_domains"
                )


def _postmaster(fleet: Fleet) -> Iterator[Problem]:
    for host in fleet.with_role("mailserver"):
        settings, aliases = host[MailserverSettings], host[EmailApiSettings].aliases
        address = settings.postmaster.lower()
        domain = address.rpartition("@")[2]
        ours = {*settings.domains, *settings.sending_domains, settings.hostname}
        known = {*aliases, *(account.lower() for account in settings.accounts)}
        if domain in ours and address not in known and f"@{domain}" not in known:
            yield problem_at(
                host,
                "mailserver_postmaster",
                f"{address} is neither an alias nor an account: its mail would bounce",
            )


def _size(fleet: Fleet) -> Iterator[Problem]:
    for host in fleet.with_role("mailserver"):
        ours, theirs = (
            host[MailserverSettings].max_message_mb,
            host[EmailApiSettings].max_message_mb,
        )
        if ours * _MB + _MARGIN > theirs * _MB:
            yield problem_at(
                host,
                "mailserver_max_message_mb",
                f"{ours} must be less than email_api_max_message_mb ({theirs}): the API would "
                "refuse what the mailserver took",
            )


def _certificate(fleet: Fleet) -> Iterator[Problem]:
    for host in fleet.with_role("mailserver"):
        if host[MailserverSettings].tls == "caddy" and not host.has("caddy"):
            yield problem_at(
                host,
                "mailserver_tls",
                '"caddy" needs the role caddy on the same host; or use "given"',
            )


def _api(fleet: Fleet) -> Iterator[Problem]:
    api = api_host(fleet)
    for host in fleet.with_role("mailserver"):
        settings = host[MailserverSettings]
        if settings.api_address is not None:
            continue
        if api is None:
            yield problem_at(
                host,
                "mailserver_api_address",
                "is required: no host has the role email_api, so nobody knows where the API is",
            )
        elif api.name != host.name:
            if settings.handoff == "lmtp":
                yield problem_at(
                    host,
                    "mailserver_handoff",
                    f'"lmtp" carries no key and needs the API on the same host, not on {api.name}',
                )
            if api[HostSettings].private_ipv4 is None:
                yield problem_at(
                    api, "host_private_ipv4", f"is required: {host.name} hands its mail to this API"
                )


_BCRYPT_BYTES = 72
"""bcrypt reads no more of a password."""


def secret_problems(fleet: Fleet) -> Iterator[Problem]:
    """Values that the files they go into could not hold. Raises SecretsError."""
    for host in fleet.with_role("mailserver"):
        settings, api = host[MailserverSettings], host[EmailApiSettings]
        passwords = [*settings.accounts.values()]
        if settings.relay_user:
            passwords.append(settings.relay_password)
        for ref in passwords:
            value = fleet.value(ref).reveal()
            if not value.isprintable() or not 0 < len(value.encode()) <= _BCRYPT_BYTES:
                message = f"a password is one line of at most {_BCRYPT_BYTES} bytes"
                yield Problem("secret store", ref.name, message)
        key = fleet.value(api.psk).reveal()
        if not re.fullmatch(r"[A-Za-z0-9._~+/=-]+", key):
            message = "a bearer token has letters, digits and -._~+/= only (RFC 6750, 2.1)"
            yield Problem("secret store", api.psk.name, message)
        if not fleet.value(api.authority).reveal().startswith("-----BEGIN CERTIFICATE-----"):
            message = "must be a certificate and its key in PEM, in this order"
            yield Problem("secret store", api.authority.name, message)


RULES: tuple[Rule, ...] = (
    _image,
    _names,
    _postmaster,
    _size,
    _certificate,
    _api,
)
