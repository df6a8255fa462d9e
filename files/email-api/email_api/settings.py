"""What the environment of the process says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from email_api.arc import check_key

Encryption = Literal["starttls", "tls", "none", "offered"]
_BY_PORT: dict[int, Encryption] = {25: "offered", 465: "tls"}


class SettingsError(Exception):
    """A variable that is missing or cannot be used; the message names it, never a secret."""


@dataclass(frozen=True)
class RelaySettings:
    """The SMTP relay that takes what is forwarded."""

    host: str
    port: int
    encryption: Encryption
    user: str | None
    password: str | None = field(repr=False)
    ca_file: str | None
    answer_seconds: float
    """How long the relay may take to answer the end of DATA. Too short makes duplicates: RFC 5321
    section 4.5.3.2.6 recommends ten minutes."""


@dataclass(frozen=True)
class ArcSettings:
    """What forwarded mail is sealed with."""

    key: bytes = field(repr=False)
    domain: str
    selector: str
    authserv_id: str
    """Of the mailserver, in the Authentication-Results that it writes."""


@dataclass(frozen=True)
class Settings:
    """Everything the process needs to know."""

    psks: tuple[str, ...] = field(repr=False)
    """Every one of them is valid, so that one can follow another."""
    admin_token: str = field(repr=False)
    database_url: str = field(repr=False)
    database_answer_seconds: int
    """How long the database may take to answer a statement."""
    redis_url: str = field(repr=False)
    relay: RelaySettings
    forward_sender: str
    """An address, or `srs:DOMAIN`."""
    srs_secrets: tuple[str, ...] = field(repr=False)
    """The first one signs, all of them are accepted."""
    arc: ArcSettings | None
    unknown_alias: Literal["defer", "bounce"]
    max_message_bytes: int
    server_name: str
    """In EHLO and in Received."""
    address: str
    port: int
    lmtp_port: int
    tls_certificate: str | None
    tls_key: str | None


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises SettingsError."""
    read = _Reader(environment)
    sender = read.text("FORWARD_SENDER")
    secrets = read.secrets("SRS_SECRET_FILE") if sender.startswith("srs:") else ()
    if not sender.startswith("srs:") and "@" not in sender:
        raise SettingsError("FORWARD_SENDER: give an address, or srs:DOMAIN")
    certificate = read.get("TLS_CERTIFICATE_FILE")
    key = read.get("TLS_KEY_FILE")
    if bool(certificate) != bool(key):
        raise SettingsError("TLS_CERTIFICATE_FILE, TLS_KEY_FILE: give both or none")
    return Settings(
        psks=read.secrets("PSK_FILE"),
        admin_token=read.secrets("ADMIN_TOKEN_FILE")[0],
        database_url=read.secrets("DATABASE_URL_FILE")[0],
        database_answer_seconds=read.number("DATABASE_ANSWER_SECONDS", 20),
        redis_url=read.text("REDIS_URL"),
        relay=_relay(read),
        forward_sender=sender,
        srs_secrets=secrets,
        arc=_arc(read),
        unknown_alias=cast(
            Literal["defer", "bounce"], read.choice("UNKNOWN_ALIAS", ("defer", "bounce"))
        ),
        max_message_bytes=read.number("MAX_MESSAGE_BYTES", 30_000_000),
        server_name=read.text("SERVER_NAME", "email-api"),
        address=read.text("LISTEN_ADDRESS", "0.0.0.0"),
        port=read.number("LISTEN_PORT", 443),
        lmtp_port=read.number("LMTP_PORT", 2400),
        tls_certificate=certificate,
        tls_key=key,
    )


def _relay(read: "_Reader") -> RelaySettings:
    port = read.number("SMTP_CLIENT_PORT", 587)
    encryption = read.choice("SMTP_CLIENT_TLS", ("", "starttls", "tls", "none"))
    user = read.get("SMTP_CLIENT_USER")
    return RelaySettings(
        host=read.text("SMTP_CLIENT_HOST"),
        port=port,
        encryption=cast(Encryption, encryption or _BY_PORT.get(port, "starttls")),
        user=user,
        password=read.secrets("SMTP_CLIENT_PASSWORD_FILE")[0] if user else None,
        ca_file=read.get("SMTP_CLIENT_CA_FILE"),
        answer_seconds=read.number("SMTP_CLIENT_ANSWER_SECONDS", 300),
    )


def _arc(read: "_Reader") -> ArcSettings | None:
    if read.get("ARC_KEY_FILE") is None:
        return None
    key = "\n".join(read.secrets("ARC_KEY_FILE")).encode()
    try:
        check_key(key)
    except ValueError as error:
        raise SettingsError(f"ARC_KEY_FILE: {error}") from None
    return ArcSettings(
        key=key,
        domain=read.text("ARC_DOMAIN"),
        selector=read.text("ARC_SELECTOR"),
        authserv_id=read.text("ARC_AUTHSERV_ID"),
    )


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def get(self, name: str) -> str | None:
        return self._environment.get(name) or None

    def text(self, name: str, default: str | None = None) -> str:
        value = self.get(name) or default
        if value is None:
            raise SettingsError(f"{name} is not set")
        return value

    def number(self, name: str, default: int) -> int:
        text = self.text(name, str(default))
        if not text.isdecimal():
            raise SettingsError(f"{name}: not a number")
        return int(text)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, allowed[0] or None) if allowed[0] else self.get(name) or ""
        if value not in allowed:
            raise SettingsError(f"{name}: one of {', '.join(filter(None, allowed))}")
        return value

    def secrets(self, name: str) -> tuple[str, ...]:
        """The lines of the file that a variable names; at least one."""
        try:
            text = Path(self.text(name)).read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise SettingsError(f"{name}: {type(error).__name__}") from None
        lines = tuple(line.strip() for line in text.splitlines() if line.strip())
        if not lines:
            raise SettingsError(f"{name}: the file is empty")
        return lines
