"""Settings of `email_api`: the service that the mailserver hands mail to."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from typing_extensions import override

from mailfleet.components.email_api.alias_files import enabled
from mailfleet.fleet.model import ComponentSettings
from mailfleet.fleet.types import (
    EmailAddress,
    HostName,
    Image,
    Port,
    Tag,
    Text,
    email_address,
    host_name,
)
from mailfleet.secrets import SecretRef, secret
from mailfleet.secrets.generate import certificate_authority, ec_key, password, random_hex, token


def _alias(value: str) -> str:
    """An address in lower case, or `@domain` for a catch-all."""
    if value != value.lower():
        raise ValueError("write aliases in lower case")
    if value.startswith("#"):
        raise ValueError("Postfix would take the line for a comment")
    if value.startswith("@"):
        host_name(value[1:])
    else:
        email_address(value)
    return value


EMAIL_API_NETWORK = "email-api"
"""Docker network of the e-mail API, in which it answers to the name `email-api`."""

AliasAddress = Annotated[str, AfterValidator(_alias)]


class EmailApiSettings(ComponentSettings):
    """The e-mail API, which forwards mail to aliases: one compose project with its own MariaDB and
    Valkey. The mailserver reads the aliases and the key from here, too."""

    prefix: ClassVar[str] = "email_api_"

    image: Image | None = Field(
        default=None,
        description="Image name, without tag. Default: built on the host from files/email-api, "
        "which needs Docker Hub and PyPI there.",
    )
    version: Tag = Field(default="0.1.0", description="Image tag, where an image is named.")
    valkey_image: Image = Field(
        default="valkey/valkey", description="Image of the journal, without tag."
    )
    valkey_version: Tag = Field(default="8.1", description="Image tag of Valkey.")

    aliases_file: Text = Field(
        default="aliases.yaml",
        description="File with more aliases, relative to the directory that deploys run in; "
        "`mailfleet alias` edits it. It need not exist.",
    )
    aliases: dict[AliasAddress, list[EmailAddress]] = Field(
        default={},
        validate_default=True,
        description="Alias -> the mailboxes behind it; `@domain` is a catch-all. The mailserver "
        "refuses all other recipients.",
    )
    unknown_alias: Literal["defer", "bounce"] = Field(
        default="defer", description="What becomes of mail to an alias that the API does not know."
    )
    max_message_mb: Annotated[int, Field(ge=1, le=200)] = Field(
        default=30, description="Largest message (MB) that the API takes."
    )

    relay_host: HostName | None = Field(
        default=None, description="SMTP relay that takes what is forwarded. Required."
    )
    relay_port: Port = Field(
        default=587, description="587: STARTTLS; 465: TLS; 25: STARTTLS when it is offered."
    )
    relay_tls: Literal["starttls", "tls", "none"] | None = Field(
        default=None, description="Default: as the port says."
    )
    relay_ca_file: Text | None = Field(
        default=None,
        description="PEM file on the control machine with the relay's authority, if it is private.",
    )
    relay_user: Text | None = Field(default=None, description="User name at the relay.")
    relay_password: SecretRef = Field(
        default=secret("email_api/relay_password"), description="Password at the relay."
    )
    relay_answer_seconds: Annotated[int, Field(ge=10, le=600)] = Field(
        default=300,
        description="How long the relay may take to answer the end of a message. Too short makes "
        "duplicates.",
    )
    srs_domain: HostName | None = Field(
        default=None,
        description="Domain of rewritten envelope senders (SRS), whose SPF allows the relay. "
        "Bounces to it come back to the API if it is one of mailserver_domains. This or "
        "email_api_forward_sender is required.",
    )
    srs_secret: SecretRef = Field(
        default=secret("email_api/srs_secret", random_hex(32)),
        description="Key that signs rewritten senders; more lines are former keys.",
    )
    forward_sender: EmailAddress | None = Field(
        default=None, description="One envelope sender for all forwarded mail, in place of SRS."
    )

    arc_key: SecretRef | None = Field(
        default=None,
        description="RSA key that seals forwarded mail (ARC, RFC 8617), such as "
        '`secret("email_api/arc_key", generate.rsa_key(2048))`. Needs a mailserver that checks '
        "senders: what it found is what is sealed.",
    )
    arc_selector: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")] = Field(
        default="arc", description="Selector of its record, below the domain of the sender."
    )

    psk: SecretRef = Field(
        default=secret("email_api/psk", random_hex(32)),
        description="Pre-shared key by which the mailserver proves itself to the API.",
    )
    former_psk: SecretRef | None = Field(
        default=None,
        description="A key that stays valid besides, while another takes its place.",
    )
    admin_token: SecretRef = Field(
        default=secret("email_api/admin_token", token(32)),
        description="Bearer token of the admin endpoints.",
    )
    database_password: SecretRef = Field(
        default=secret("email_api/database_password", password(32)),
        description="Password of the API in its database; the next deploy applies a rotated one.",
    )
    authority: SecretRef = Field(
        default=secret("email_api/authority", certificate_authority("mailfleet e-mail API")),
        description="Authority (certificate and key, PEM) that signs the API's certificate.",
    )
    tls_key: SecretRef = Field(
        default=secret("email_api/tls_key", ec_key()),
        description="Private key of the API's certificate, which the authority signs.",
    )

    @field_validator("aliases", mode="before")
    @classmethod
    def _with_those_of_the_file(cls, value: Any, info: ValidationInfo) -> Any:
        file = info.data.get("aliases_file")
        if file is None or not isinstance(value, dict):
            return value
        more = enabled(Path(file))
        if twice := sorted(set(more) & set(value)):
            raise ValueError(f"{', '.join(twice)}: in {file} and in group_data; remove one")
        return {**value, **more}

    @property
    def sender(self) -> str:
        """FORWARD_SENDER of the API."""
        return f"srs:{self.srs_domain}" if self.srs_domain else str(self.forward_sender)

    @property
    def sender_domain(self) -> str:
        """Domain of the envelope sender of forwarded mail."""
        return self.srs_domain or str(self.forward_sender).rpartition("@")[2]

    @override
    def unused_secrets(self) -> set[str]:
        unused = set()
        if self.relay_user is None:
            unused.add("email_api_relay_password")
        if self.srs_domain is None:
            unused.add("email_api_srs_secret")
        return unused
