"""Domains whose mail the mailserver receives, and the certificate it presents."""

from collections.abc import Iterator

from mailfleet.components.mailserver.settings import MailserverSettings
from mailfleet.fleet.fleet import Fleet
from mailfleet.secrets.reference import SecretRef


def mx(fleet: Fleet, domain: str) -> Iterator[str]:
    """Names of the mailservers that receive the mail of a domain."""
    for host in fleet.with_role("mailserver"):
        if domain in host[MailserverSettings].domains:
            yield host[MailserverSettings].hostname


def certificates(fleet: Fleet) -> dict[str, SecretRef]:
    """Name of each mailserver whose certificate the operator gives -> that certificate."""
    return {
        host[MailserverSettings].hostname: host[MailserverSettings].certificate
        for host in fleet.with_role("mailserver")
        if host[MailserverSettings].tls == "given"
    }
