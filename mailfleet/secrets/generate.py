"""Generators of secret values.

Each function returns a generator: call it for a fresh value, `str()` it for what it makes. All
randomness comes from the operating system.
"""

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@dataclass(frozen=True)
class Recipe:
    """A generator that says what it makes. Two of the same description are equal, so that a
    reference compares equal wherever it is written."""

    description: str
    make: Callable[[], str] = field(compare=False, repr=False)

    def __call__(self) -> str:
        return self.make()

    def __str__(self) -> str:
        return self.description


def password(length: int = 32) -> Recipe:
    """ASCII letters and digits only: such a password needs no quoting in shells, YAML, SQL or
    connection URLs. 32 of them carry 190 bits. Raises ValueError below 16."""
    _at_least(16, length, "length")
    alphabet = string.ascii_letters + string.digits
    return Recipe(
        f"password of {length} letters and digits",
        lambda: "".join(secrets.choice(alphabet) for _ in range(length)),
    )


def random_hex(bytes: int) -> Recipe:
    """Random bytes as lower-case hexadecimal, two digits each (Rails secret keys, PSKs).
    Raises ValueError below 16."""
    _at_least(16, bytes, "bytes")
    return Recipe(f"{bytes} random bytes in hexadecimal", lambda: secrets.token_hex(bytes))


def token(bytes: int = 32) -> Recipe:
    """Random bytes in URL-safe base64 without padding (RFC 4648 section 5), for bearer tokens.
    Raises ValueError below 16."""
    _at_least(16, bytes, "bytes")
    return Recipe(f"token of {bytes} random bytes", lambda: secrets.token_urlsafe(bytes))


def rsa_key(bits: int = 2048) -> Recipe:
    """An RSA private key, PEM in the PKCS#1 form (`BEGIN RSA PRIVATE KEY`), unencrypted: the one
    that Ruby's OpenSSL, and so Postal's signing key, as well as OpenDKIM and Rspamd read.

    Raises ValueError below 2048 bits (RFC 8301 section 3.2: signers should use at least those).
    """
    _at_least(2048, bits, "bits")
    return Recipe(f"RSA key of {bits} bits", lambda: _rsa_pem(bits))


def _rsa_pem(bits: int) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode(
        "ascii"
    )


def ec_key() -> Recipe:
    """A private key for TLS on the curve P-256, PEM in the PKCS#8 form, unencrypted."""
    return Recipe("EC key on P-256", _ec_pem)


def _ec_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def certificate_authority(name: str) -> Recipe:
    """A private authority: its certificate, then its key (PKCS#8), both in PEM. It is good for
    twenty years: who trusts it was told by name, and it can be rotated any day."""
    return Recipe(f"private certificate authority {name}", lambda: _authority_pem(name))


def _authority_pem(name: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=20 * 365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (certificate.public_bytes(Encoding.PEM) + private).decode("ascii")


def _at_least(least: int, value: int, what: str) -> None:
    if value < least:
        raise ValueError(f"{what}={value} is too weak: use at least {least}")
