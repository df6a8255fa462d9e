"""DNS records of the e-mail API."""

from mailfleet.components.email_api.settings import EmailApiSettings
from mailfleet.dns.desired.keys import key_record
from mailfleet.dns.record import Record, Severity
from mailfleet.fleet.fleet import Fleet


def records(fleet: Fleet) -> list[Record]:
    """The key of the seal; the mailserver has the others. Raises SettingsError and SecretsError."""
    return [
        Record(
            f"{settings.arc_selector}._domainkey.{settings.sender_domain}",
            "TXT",
            (key_record(fleet, settings.arc_key),),
            "ARC key of forwarded mail",
            "Receivers cannot verify the seal, and evaluate forwarded mail as if it had none.",
            Severity.REQUIRED,
            "RFC 8617 section 4.1.3",
        )
        for host in fleet.with_role("email_api")
        if (settings := host[EmailApiSettings]).arc_key
    ]
