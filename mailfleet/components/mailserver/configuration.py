"""Every file that docker-mailserver reads, and when it reads it."""

from collections.abc import Iterator
from dataclasses import dataclass

from mailfleet.components.email_api.settings import EmailApiSettings
from mailfleet.components.mailserver import maps
from mailfleet.components.mailserver.accounts import account_line
from mailfleet.components.mailserver.settings import MailserverSettings
from mailfleet.converge.bundle import File
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.secrets import Secret
from mailfleet.templates import Rendered, render, shipped

DIRECTORY = "/opt/mailserver"
CONFIG = f"{DIRECTORY}/config"
POSTFIX_MAIN = f"{CONFIG}/postfix-main.cf"
HANDOFF = f"{CONFIG}/handoff"
TLS = f"{DIRECTORY}/tls"
PROBE_LOGIN = f"{HANDOFF}/smtp-login.conf"

_ENVIRONMENT = f"{DIRECTORY}/mailserver.env"
_OPTIONAL = (
    f"{CONFIG}/postfix-regexp.cf",
    f"{CONFIG}/postfix-sasl-password.cf",
    *(f"{CONFIG}/opendkim/{name}" for name in ("KeyTable", "SigningTable", "TrustedHosts")),
    f"{CONFIG}/opendkim/keys/mailfleet.private",
    f"{CONFIG}/rspamd/override.d/dkim_signing.conf",
)


@dataclass(frozen=True)
class ImageFiles:
    """The files by the moment at which they take effect."""

    at_creation: dict[str, File]
    """Read when a container is created, and never again."""
    live: dict[str, File]
    """Watched by the image, or read again on a reload."""

    @property
    def all(self) -> list[File]:
        return [*self.at_creation.values(), *self.live.values()]

    @property
    def absent(self) -> tuple[str, ...]:
        return tuple(path for path in _OPTIONAL if path not in {**self.at_creation, **self.live})

    @property
    def checked(self) -> list[str]:
        """Those that Postfix checks."""
        return [
            path
            for path in (*self.at_creation, *self.live)
            if "/postfix-" in path or path.endswith("user-patches.sh") or path.startswith(HANDOFF)
        ]


def image_files(fleet: Fleet, host: Host) -> ImageFiles:
    """Raises SecretsError and TemplateProblemError."""
    settings, api = host[MailserverSettings], host[EmailApiSettings]
    at_creation = [
        _file(_ENVIRONMENT, _environment(settings)),
        _file(POSTFIX_MAIN, _main(settings, api)),
        File(f"{CONFIG}/postfix-master.cf", _master(settings).encode()),
        File(f"{CONFIG}/postfix-receive-access.cf", maps.receive_access(settings, api).encode()),
        *(_dkim_at_creation(fleet, settings) if settings.dkim else ()),
    ]
    live = [
        _accounts(fleet, settings),
        File(f"{CONFIG}/postfix-virtual.cf", maps.virtual(settings, api).encode()),
        File(f"{CONFIG}/postfix-aliases.cf", maps.local_aliases(settings, api).encode()),
        _file(
            f"{CONFIG}/user-patches.sh",
            render("mailserver/user-patches.sh", settings=settings),
            mode=0o755,
        ),
        *_relay(fleet, settings),
        *_handoff(fleet, settings, api),
        _probe_login(fleet, settings),
    ]
    if settings.dkim and settings.rspamd:
        live += _dkim_rspamd(fleet, settings)
    return ImageFiles({file.path: file for file in at_creation}, {file.path: file for file in live})


def _file(path: str, rendered: Rendered, mode: int = 0o644) -> File:
    return File(path, rendered.content, mode=mode, secret=rendered.secret)


def _secret(path: str, text: str) -> File:
    return File(path, text.encode(), mode=0o600, secret=True)


def _environment(settings: MailserverSettings) -> Rendered:
    """Variables of the image. None is secret: anyone can read them with `docker inspect`."""
    own_checks = settings.sender_checks and not settings.rspamd
    variables = {
        # Those of docs/how-to/mailserver.md: DOMAIN and SMTP_USER name what the host serves.
        "DOMAIN": " ".join(settings.domains),
        "SMTP_USER": settings.probe_account,
        "POSTMASTER_ADDRESS": settings.postmaster,
        "ENABLE_QUOTAS": 0,
        "ENABLE_AMAVIS": 0,
        "ENABLE_SRS": 0,
        "ENABLE_IMAP": 0,
        "ENABLE_POP3": 0,
        "ENABLE_UPDATE_CHECK": 0,
        "PERMIT_DOCKER": "none",
        "ENABLE_RSPAMD": int(settings.rspamd),
        "ENABLE_CLAMAV": int(settings.clamav),
        "ENABLE_OPENDKIM": int((settings.dkim or settings.sender_checks) and not settings.rspamd),
        "ENABLE_OPENDMARC": int(own_checks),
        "ENABLE_POLICYD_SPF": int(own_checks),
        "ENABLE_FAIL2BAN": int(settings.fail2ban),
        "ENABLE_DNSBL": int(settings.dnsbl),
        "POSTSCREEN_ACTION": settings.postscreen,
        "SPOOF_PROTECTION": int(settings.spoof_protection),
        "POSTFIX_MESSAGE_SIZE_LIMIT": settings.max_message_mb * 1_000_000,
        "SSL_TYPE": "manual",
        "SSL_CERT_PATH": "/tmp/tls/certificate.pem",
        "SSL_KEY_PATH": "/tmp/tls/key.pem",
    }
    if settings.relay_host:
        variables["DEFAULT_RELAY_HOST"] = _relay_host(settings)
    variables |= settings.environment
    return render("mailserver/mailserver.env", variables=list(variables.items()))


def _main(settings: MailserverSettings, api: EmailApiSettings) -> Rendered:
    domain = maps.srs_domain(settings, api)
    return render("mailserver/postfix-main.cf", settings=settings, srs_domain=domain)


def _master(settings: MailserverSettings) -> str:
    lines = [f"{name}={value}\n" for name, value in sorted(settings.postfix_master.items())]
    return "".join(["# Written by mailfleet.\n", *lines])


def _accounts(fleet: Fleet, settings: MailserverSettings) -> File:
    key = fleet.value(settings.account_salt)
    lines = [
        account_line(address.lower(), fleet.value(ref), key)
        for address, ref in sorted(settings.accounts.items())
    ]
    return _secret(f"{CONFIG}/postfix-accounts.cf", "".join(lines))


def _relay_host(settings: MailserverSettings) -> str:
    return f"[{settings.relay_host}]:{settings.relay_port}"


def _relay(fleet: Fleet, settings: MailserverSettings) -> Iterator[File]:
    """The login at the smarthost. In this file, and not in a variable, a new one takes effect in
    the running container."""
    if settings.relay_user:
        password = fleet.value(settings.relay_password).reveal()
        text = f"{_relay_host(settings)} {settings.relay_user}:{password}\n"
        yield _secret(f"{CONFIG}/postfix-sasl-password.cf", text)


def _handoff(fleet: Fleet, settings: MailserverSettings, api: EmailApiSettings) -> Iterator[File]:
    yield File(f"{HANDOFF}/domains", maps.domains(settings).encode())
    if bounces := maps.bounces(settings, api):
        alias = settings.handoff == "alias"
        yield File(f"{CONFIG}/postfix-regexp.cf" if alias else f"{HANDOFF}/srs", bounces.encode())
    if settings.handoff != "alias":
        yield File(f"{HANDOFF}/recipients", maps.recipients(api).encode())
        yield File(f"{HANDOFF}/transport", maps.transport(settings, api).encode())
    if settings.handoff == "lmtp":
        yield File(f"{HANDOFF}/delivery-status.pcre", shipped("mailserver/delivery-status.pcre"))
        return
    script = render("mailserver/curl-email.sh", settings=settings, api=api)
    options = render("mailserver/curl-email.conf", settings=settings, psk=fleet.value(api.psk))
    yield _file(f"{HANDOFF}/curl-email.sh", script, mode=0o755)
    yield _file(f"{HANDOFF}/curl-email.conf", options, mode=0o600)
    yield File(f"{HANDOFF}/ca.pem", _certificate_of(fleet.value(api.authority)).encode())


def _certificate_of(authority: Secret) -> str:
    """The certificate alone: the key of the authority stays on this machine."""
    end = "-----END CERTIFICATE-----\n"
    return authority.reveal().partition(end)[0] + end


def _probe_login(fleet: Fleet, settings: MailserverSettings) -> File:
    """Options of curl with SMTP_USER and SMTP_PASS: a probe that logs in needs the password."""
    password = fleet.value(settings.accounts[settings.probe_account]).reveal()
    quoted = password.replace("\\", "\\\\").replace('"', '\\"')
    return _secret(PROBE_LOGIN, f'user = "{settings.probe_account}:{quoted}"\n')


def _dkim_at_creation(fleet: Fleet, settings: MailserverSettings) -> Iterator[File]:
    """OpenDKIM's tables, which the image copies (opendkim.conf(5))."""
    if settings.rspamd:
        return
    key = "/etc/opendkim/keys/mailfleet.private"
    names = {
        domain: f"{settings.dkim_selector}._domainkey.{domain}"
        for domain in settings.sending_domains
    }
    tables = {
        "KeyTable": [
            f"{name} {domain}:{settings.dkim_selector}:{key}" for domain, name in names.items()
        ],
        "SigningTable": [f"*@{domain} {name}" for domain, name in names.items()],
        "TrustedHosts": ["127.0.0.1", "localhost"],
    }
    for table, lines in tables.items():
        yield File(f"{CONFIG}/opendkim/{table}", "".join(f"{line}\n" for line in lines).encode())
    yield _secret(f"{CONFIG}/opendkim/keys/mailfleet.private", _dkim_key(fleet, settings))


def _dkim_rspamd(fleet: Fleet, settings: MailserverSettings) -> Iterator[File]:
    text = render("mailserver/dkim_signing.conf", settings=settings)
    yield _file(f"{CONFIG}/rspamd/override.d/dkim_signing.conf", text)
    yield _secret(f"{HANDOFF}/dkim.key", _dkim_key(fleet, settings))


def _dkim_key(fleet: Fleet, settings: MailserverSettings) -> str:
    return fleet.value(settings.dkim_key).reveal()
