"""Settings, read from environment variables. Secrets are in files that the variables name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from email_api.arc import check_key

Encryption = Literal["starttls", "tls", "none", "opportunistic"]
UnknownAlias = Literal["defer", "bounce"]

_ENCRYPTION_OF_PORT: dict[int, Encryption] = {25: "opportunistic", 465: "tls"}


class SettingsError(Exception):
    """A missing or invalid variable. The message names the variable, never a secret."""


@dataclass(frozen=True)
class RelaySettings:
    """The SMTP relay that forwarded mail is sent to."""

    host: str
    port: int
    encryption: Encryption
    user: str | None
    password: str | None = field(repr=False)
    ca_file: str | None
    answer_seconds: int
    """How long to wait for the reply to the end of DATA. Too short a time causes duplicates: RFC
    5321 section 4.5.3.2.6 recommends ten minutes."""


@dataclass(frozen=True)
class ArcSettings:
    """Key and names for ARC seals."""

    key: bytes = field(repr=False)
    domain: str
    selector: str
    authserv_id: str
    """The name that the mailserver gives itself in Authentication-Results."""


@dataclass(frozen=True)
class Settings:
    """All settings of the process."""

    psks: tuple[str, ...] = field(repr=False)
    """All of them are valid, so that a key can be rotated without an interruption."""
    admin_token: str = field(repr=False)
    database_url: str = field(repr=False)
    database_answer_seconds: int
    """How long to wait for the database to answer a statement."""
    redis_url: str = field(repr=False)
    relay: RelaySettings
    forward_sender: str
    """An address, or `srs:DOMAIN`."""
    srs_secrets: tuple[str, ...] = field(repr=False)
    """The first one signs; addresses signed with any of them are valid."""
    arc: ArcSettings | None
    unknown_alias: UnknownAlias
    max_message_bytes: int
    server_name: str
    """The name in EHLO and Received."""
    address: str
    port: int
    lmtp_port: int
    tls_certificate: str | None
    tls_key: str | None


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Returns the settings. Raises SettingsError for the first missing or invalid variable."""
    variables = _Variables(environment)
    sender = variables.text("FORWARD_SENDER")
    srs_secrets = variables.secrets("SRS_SECRET_FILE") if sender.startswith("srs:") else ()
    if not sender.startswith("srs:") and "@" not in sender:
        raise SettingsError("FORWARD_SENDER: must be an address or srs:DOMAIN")
    certificate = variables.optional("TLS_CERTIFICATE_FILE")
    key = variables.optional("TLS_KEY_FILE")
    if bool(certificate) != bool(key):
        raise SettingsError("TLS_CERTIFICATE_FILE, TLS_KEY_FILE: set both or neither")
    unknown_alias = variables.choice("UNKNOWN_ALIAS", ("defer", "bounce"), default="defer")
    return Settings(
        psks=variables.secrets("PSK_FILE"),
        admin_token=variables.secrets("ADMIN_TOKEN_FILE")[0],
        database_url=variables.secrets("DATABASE_URL_FILE")[0],
        database_answer_seconds=variables.number("DATABASE_ANSWER_SECONDS", 20),
        redis_url=variables.text("REDIS_URL"),
        relay=_relay(variables),
        forward_sender=sender,
        srs_secrets=srs_secrets,
        arc=_arc(variables),
        unknown_alias=cast(UnknownAlias, unknown_alias),
        max_message_bytes=variables.number("MAX_MESSAGE_BYTES", 30_000_000),
        server_name=variables.text("SERVER_NAME", "email-api"),
        address=variables.text("LISTEN_ADDRESS", "0.0.0.0"),
        port=variables.number("LISTEN_PORT", 443),
        lmtp_port=variables.number("LMTP_PORT", 2400),
        tls_certificate=certificate,
        tls_key=key,
    )


def _relay(variables: "_Variables") -> RelaySettings:
    port = variables.number("SMTP_CLIENT_PORT", 587)
    default = _ENCRYPTION_OF_PORT.get(port, "starttls")
    encryption = variables.choice("SMTP_CLIENT_TLS", ("starttls", "tls", "none"), default)
    user = variables.optional("SMTP_CLIENT_USER")
    return RelaySettings(
        host=variables.text("SMTP_CLIENT_HOST"),
        port=port,
        encryption=cast(Encryption, encryption),
        user=user,
        password=variables.secrets("SMTP_CLIENT_PASSWORD_FILE")[0] if user else None,
        ca_file=variables.optional("SMTP_CLIENT_CA_FILE"),
        answer_seconds=variables.number("SMTP_CLIENT_ANSWER_SECONDS", 300),
    )


def _arc(variables: "_Variables") -> ArcSettings | None:
    if variables.optional("ARC_KEY_FILE") is None:
        return None
    key = "\n".join(variables.secrets("ARC_KEY_FILE")).encode()
    try:
        check_key(key)
    except ValueError as error:
        raise SettingsError(f"ARC_KEY_FILE: {error}") from None
    return ArcSettings(
        key=key,
        domain=variables.text("ARC_DOMAIN"),
        selector=variables.text("ARC_SELECTOR"),
        authserv_id=variables.text("ARC_AUTHSERV_ID"),
    )


class _Variables:
    """Typed access to environment variables. An empty variable counts as not set."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def optional(self, name: str) -> str | None:
        return self._environment.get(name) or None

    def text(self, name: str, default: str | None = None) -> str:
        value = self.optional(name) or default
        if value is None:
            raise SettingsError(f"{name} is not set")
        return value

    def number(self, name: str, default: int) -> int:
        value = self.text(name, str(default))
        if not value.isdecimal():
            raise SettingsError(f"{name}: must be a whole number")
        return int(value)

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.optional(name)
        if value is None:
            return default
        if value not in allowed:
            raise SettingsError(f"{name}: must be one of {', '.join(allowed)}")
        return value

    def secrets(self, name: str) -> tuple[str, ...]:
        """The non-empty lines of the file that a variable names; at least one."""
        path = self.text(name)
        try:
            text = Path(path).read_text(encoding="ascii")
        except OSError as error:
            raise SettingsError(f"{name}: cannot read {path}: {error.strerror}") from None
        except ValueError:
            raise SettingsError(f"{name}: {path} must be an ASCII text file") from None
        lines = tuple(line.strip() for line in text.splitlines() if line.strip())
        if not lines:
            raise SettingsError(f"{name}: {path} is empty")
        return lines
