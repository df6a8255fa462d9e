"""Settings of `email_api`: what the mailserver shares with the e-mail API."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from mailfleet.secrets import SecretRef, secret
from mailfleet.secrets.generate import certificate_authority, random_hex
from mailfleet.settings.model import ComponentSettings
from mailfleet.settings.types import EmailAddress, email_address, host_name


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


AliasAddress = Annotated[str, AfterValidator(_alias)]


class EmailApiSettings(ComponentSettings):
    """The e-mail API, which forwards mail to aliases."""

    prefix: ClassVar[str] = "email_api_"

    aliases: dict[AliasAddress, list[EmailAddress]] = Field(
        default={},
        description="Alias -> the mailboxes behind it; `@domain` is a catch-all. The mailserver "
        "refuses all other recipients.",
    )
    unknown_alias: Literal["defer", "bounce"] = Field(
        default="defer", description="What becomes of mail to an alias that the API does not know."
    )
    max_message_mb: Annotated[int, Field(ge=1, le=200)] = Field(
        default=30, description="Largest message (MB) that the API takes."
    )
    psk: SecretRef = Field(
        default=secret("email_api/psk", random_hex(32)),
        description="Pre-shared key by which the mailserver proves itself to the API.",
    )
    authority: SecretRef = Field(
        default=secret("email_api/authority", certificate_authority("mailfleet e-mail API")),
        description="Authority (certificate and key, PEM) that signs the API's certificate.",
    )
