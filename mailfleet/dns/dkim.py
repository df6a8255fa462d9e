"""DKIM key records (RFC 6376 section 3.6.1, RFC 8301, RFC 8463).

A sending server signs headers and body of each mail with a private key. The signature names a
domain and a selector, and receivers fetch the public key from the TXT record
SELECTOR._domainkey.DOMAIN. Several selectors can exist at once, so keys can be rotated without
breaking mail that is still queued. An empty key (p=) revokes a selector."""

import base64
import re
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mailfleet.dns.tags import InvalidTagsError, parse_tags


class InvalidKeyRecordError(ValueError):
    """Text that receivers cannot use as a key."""


@dataclass(frozen=True)
class KeyRecord:
    """A key record as receivers understand it."""

    kind: str
    """`rsa` or `ed25519`."""
    bits: int
    number: bytes
    """The key itself, free of its encoding: two spellings of one key have the same."""
    hashes: tuple[str, ...] = ()
    """Empty: any."""
    services: tuple[str, ...] = ("*",)
    flags: tuple[str, ...] = ()

    @property
    def testing(self) -> bool:
        return "y" in self.flags


class RevokedKeyError(InvalidKeyRecordError):
    """A record with an empty key."""


# Many domains publish one key, and each check reads it as wanted and as seen.
@lru_cache(maxsize=1024)
def parse_key(text: str) -> KeyRecord:
    """Read a key record. Raises RevokedKeyError and InvalidKeyRecordError."""
    try:
        tags = parse_tags(text)
    except InvalidTagsError as error:
        raise InvalidKeyRecordError(str(error)) from None
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise InvalidKeyRecordError("v= is not DKIM1, or not the first tag")
    if "p" not in tags:
        raise InvalidKeyRecordError("there is no key, the tag p=")
    # Folding white space is allowed inside base64.
    encoded = re.sub(r"\s", "", tags["p"])
    if not encoded:
        raise RevokedKeyError("the key is revoked: p= is empty")
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise InvalidKeyRecordError("p= is not base64") from None
    kind = tags.get("k", "rsa")
    bits, number = _key(kind, data)
    return KeyRecord(
        kind,
        bits,
        number,
        _list(tags.get("h", "")),
        _list(tags.get("s", "*")),
        _list(tags.get("t", "")),
    )


def _key(kind: str, data: bytes) -> tuple[int, bytes]:
    if kind == "ed25519":
        if len(data) != 32:
            raise InvalidKeyRecordError(f"an ed25519 key has 32 bytes, not {len(data)}")
        return 256, data
    if kind != "rsa":
        raise InvalidKeyRecordError(f"k={kind}: no such kind of key")
    try:
        key = load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidKeyRecordError("p= is not a public key in DER") from None
    if not isinstance(key, RSAPublicKey):
        raise InvalidKeyRecordError("p= is not an RSA key, as k= says")
    numbers = key.public_numbers()
    return key.key_size, f"{numbers.n:x}:{numbers.e:x}".encode()


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(":") if part.strip())
