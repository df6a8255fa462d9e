"""Records by which programs find and trust the fleet's mail servers: SRV and TLSA."""

import hashlib
from collections.abc import Iterator

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from mailfleet.dns.record import Record, Severity
from mailfleet.secrets import SecretRef
from mailfleet.settings.errors import Problem, SettingsError
from mailfleet.settings.fleet import Fleet
from mailfleet.settings.mx import given_certificates


def submission_records(fleet: Fleet) -> Iterator[Record]:
    """What `dns_submission_domains` say to mail programs."""
    for host in fleet.with_role("mailserver")[:1]:
        name = host.mailserver.hostname
        values = {
            "_submissions": f"0 1 465 {name}",
            "_submission": f"0 1 587 {name}",
            # "Not available at this domain".
            "_imaps": "0 0 0 .",
            "_imap": "0 0 0 .",
            "_pop3s": "0 0 0 .",
            "_pop3": "0 0 0 .",
        }
        for domain in fleet.dns.submission_domains:
            for service, value in values.items():
                yield Record(
                    f"{service}._tcp.{domain}",
                    "SRV",
                    (value,),
                    "mail programs set themselves up by it",
                    "Users type name and port of the mail server into their programs themselves.",
                    Severity.RECOMMENDED,
                    "RFC 6186 sections 3.1 and 3.4; RFC 8314 section 5.1",
                )


def dane_records(fleet: Fleet) -> Iterator[Record]:
    """TLSA records of `dns_dane`. Raises SettingsError and SecretsError."""
    certificates = given_certificates(fleet)
    for name in fleet.dns.dane:
        yield Record(
            f"_25._tcp.{name}",
            "TLSA",
            (_of_key(fleet, certificates[name]),),
            "senders know the certificate of this mail server beforehand",
            "Someone on the way can read and divert mail to this server.",
            Severity.RECOMMENDED,
            "RFC 7672 section 3.1.1",
        )


def _of_key(fleet: Fleet, reference: SecretRef) -> str:
    """DANE-EE(3) SPKI(1) SHA2-256(1): holds as long as the key stays, whoever signs it."""
    pem = fleet.value(reference).reveal()
    try:
        key = load_pem_x509_certificate(pem.encode()).public_key()
    except ValueError:
        problem = Problem("secret store", reference.name, "not a certificate in PEM")
        raise SettingsError([problem]) from None
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"3 1 1 {hashlib.sha256(der).hexdigest()}"
