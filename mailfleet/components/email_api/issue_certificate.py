"""The API's certificate: it follows from the authority and the API's key, so that it is the same
whenever it is rendered."""

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from mailfleet.secrets import MASK, Secret

NAME = "email-api"
"""The host name in the URL that the mailserver posts to."""


def certificate(authority: Secret, key: Secret) -> str:
    """PEM of the certificate, and of the authority after it."""
    if authority.reveal() == MASK:
        return MASK
    pem = authority.reveal().encode()
    issuer = x509.load_pem_x509_certificate(pem)
    issuer_key = load_pem_private_key(pem, password=None)
    public = load_pem_private_key(key.reveal().encode(), password=None).public_key()
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    serial = hashlib.sha256(identifier.digest + issuer.fingerprint(hashes.SHA256())).digest()
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)]))
        .issuer_name(issuer.subject)
        .public_key(public)
        # Positive, and at most 20 octets (RFC 5280 section 4.1.2.2).
        .serial_number(int.from_bytes(serial[:16], "big") | 1)
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(
            x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    return (leaf.public_bytes(Encoding.PEM) + issuer.public_bytes(Encoding.PEM)).decode("ascii")
