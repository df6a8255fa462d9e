"""Records by which programs find and trust the fleet's mail servers: TLSA."""

import hashlib
from collections.abc import Iterator

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from mailfleet.dns.record import Record, Severity
from mailfleet.dns.settings import DnsSettings
from mailfleet.fleet.errors import Problem, SettingsError
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.mx import given_certificates
from mailfleet.secrets import SecretRef


def dane_records(fleet: Fleet) -> Iterator[Record]:
    """TLSA records of `dns_dane`. Raises SettingsError and SecretsError."""
    certificates = given_certificates(fleet)
    for name in fleet[DnsSettings].dane:
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
