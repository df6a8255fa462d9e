"""Settings of the probes."""

from typing import Annotated, ClassVar

from pydantic import Field

from mailfleet.fleet.model import ComponentSettings
from mailfleet.fleet.types import EmailAddress, Port, Text
from mailfleet.secrets import SecretRef


class HealthSettings(ComponentSettings):
    """What `mailfleet health` needs to know besides the components' own settings."""

    prefix: ClassVar[str] = "health_"

    ca_file: str | None = Field(
        default=None,
        description="File on the control machine with a further certificate authority (PEM) that "
        "probes trust, for sites whose certificates come from your own.",
    )

    # Limits that depend on how much is sent
    queue_messages: Annotated[int, Field(ge=1)] = Field(
        default=1000,
        description="Messages in Postal's queue from which the probe warns; from ten times as many "
        "it fails.",
    )
    held_messages: Annotated[int, Field(ge=1)] = Field(
        default=100,
        description="Messages that Postal holds from which the probe warns; from ten times as many "
        "it fails. Postal holds each message to a suppressed address for a week.",
    )

    # What `mailfleet health --mail` sends, and where it waits for it
    mailbox: EmailAddress | None = Field(
        default=None,
        description="Address of a mailbox outside the fleet, for `mailfleet health --mail`.",
    )
    imap_host: Text | None = Field(
        default=None, description="IMAP server of that mailbox, by the name in its certificate."
    )
    imap_port: Port = Field(default=993, description="Its port, with TLS from the start.")
    imap_user: Text | None = Field(
        default=None, description="Login there. Default: health_mailbox."
    )
    imap_password: SecretRef | None = Field(
        default=None, description="Password of that login; an application password is best."
    )
    mail_from: EmailAddress | None = Field(
        default=None,
        description="Sender of probes: of a domain that is verified in Postal, whose DMARC is "
        "looked at too.",
    )
    smtp_key: SecretRef | None = Field(
        default=None,
        description="Key of an SMTP credential in Postal: probes the way of applications.",
    )
    api_key: SecretRef | None = Field(
        default=None, description="Key of an API credential in Postal: probes its API."
    )
    mail_alias: EmailAddress | None = Field(
        default=None,
        description="Alias of the mailserver that leads to health_mailbox: probes the way in. "
        "Needs health_smtp_key.",
    )
    mail_seconds: Annotated[int, Field(ge=10, le=600)] = Field(
        default=120, description="Seconds within which a probe must arrive."
    )
