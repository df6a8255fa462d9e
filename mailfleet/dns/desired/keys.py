"""DKIM key records derived from the private keys."""

import base64

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from mailfleet.fleet.errors import Problem, SettingsError
from mailfleet.fleet.fleet import Fleet
from mailfleet.secrets import SecretRef


class UnusableKeyError(Exception):
    """A private key that cannot sign mail."""


def public_key(private_pem: str) -> str:
    """`p=` of a DKIM record: the SubjectPublicKeyInfo in DER, in base64 (RFC 6376 section 3.6.1).
    Raises UnusableKeyError, which never shows the key."""
    try:
        key = load_pem_private_key(private_pem.encode(), None)
    except (ValueError, TypeError):
        raise UnusableKeyError("not a private key in PEM without a passphrase") from None
    if not isinstance(key, RSAPrivateKey):
        raise UnusableKeyError("not an RSA key, the only kind that Postal signs with")
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def key_record(fleet: Fleet, reference: SecretRef) -> str:
    """The DKIM record of a key that is held as a secret (RFC 6376 section 3.6.1). Raises
    SettingsError and SecretsError."""
    try:
        return f"v=DKIM1; h=sha256; k=rsa; p={public_key(fleet.value(reference).reveal())}"
    except UnusableKeyError as error:
        raise SettingsError([Problem("secret store", reference.name, str(error))]) from None


def postal_record(private_pem: str) -> str:
    """What `postal default-dkim-record` prints (Postal 3.3.6, lib/postal/config.rb,
    rp_dkim_dns_record). Raises UnusableKeyError."""
    return f"v=DKIM1; t=s; h=sha256; p={public_key(private_pem)};"
