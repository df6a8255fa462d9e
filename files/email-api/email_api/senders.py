"""Rewriting of envelope senders: with the author's own, the receiver's SPF check would fail.

SRS (Sender Rewriting Scheme, https://www.libsrs2.net/srs/srs.pdf) encodes the original sender in an
address of our domain: SRS0=hash=day=domain=local@our-domain. A bounce to that address comes back to
us and is sent on to the original sender. The hash keeps others from relaying mail through us with
made-up addresses; the day lets an address expire. SRS1 is not needed: an SRS address of
another forwarder is encoded like any other.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence
from urllib.parse import quote, unquote

from email_api.errors import InvalidBounceAddressError

VALID_DAYS = 21
"""Servers retry for about five days before they send a bounce; this leaves a margin."""

_DAY_SECONDS = 86400
_SRS = re.compile(r"SRS0[=+-]([a-z2-7]{10})=([a-z2-7]{2})=([^=@]+)=([^@]*)", re.IGNORECASE)
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


class FixedSender:
    """One address for all forwarded mail: its owner receives the bounces."""

    def __init__(self, address: str) -> None:
        self._address = address

    def rewrite(self, sender: str) -> str:
        """Returns the envelope sender to forward with. The null sender of a bounce is kept, so that
        nothing bounces it again."""
        return self._address if sender else ""

    def original_sender(self, recipient: str) -> str | None:
        return None


class SrsSender:
    """SRS addresses, which lead a bounce back to the original sender."""

    def __init__(
        self, domain: str, secrets: Sequence[str], clock: Callable[[], float] = time.time
    ) -> None:
        self._domain = domain.lower()
        self._secrets = secrets
        self._clock = clock

    def rewrite(self, sender: str) -> str:
        """Returns the envelope sender to forward with. The null sender of a bounce is kept, so that
        nothing bounces it again."""
        local, at, domain = sender.rpartition("@")
        if not at:
            return ""
        day = self._today()
        stamp = _BASE32[day >> 5] + _BASE32[day & 31]
        # Percent-encoded, so that the address is ASCII and no character in it can end it.
        quoted_local = quote(local, safe="!#$&*+/=?^_{|}~.-")
        rest = f"{stamp}={quote(domain.lower(), safe='.-')}={quoted_local}"
        return f"SRS0={self._hash(self._secrets[0], rest)}={rest}@{self._domain}"

    def original_sender(self, recipient: str) -> str | None:
        """Returns the sender that a recipient address encodes; None if it is not an SRS address of
        our domain. Raises InvalidBounceAddressError if its hash is wrong or it has expired."""
        local, _, domain = recipient.rpartition("@")
        match = _SRS.fullmatch(local)
        if domain.lower() != self._domain or not match:
            return None
        hash_, stamp = match[1].lower(), match[2].lower()
        rest = f"{stamp}={match[3]}={match[4]}"
        if not any(
            hmac.compare_digest(hash_, self._hash(secret, rest)) for secret in self._secrets
        ):
            raise InvalidBounceAddressError("the hash is not ours")
        day = _BASE32.index(stamp[0]) << 5 | _BASE32.index(stamp[1])
        if (self._today() - day) % 1024 > VALID_DAYS:
            raise InvalidBounceAddressError(f"older than {VALID_DAYS} days")
        return f"{unquote(match[4])}@{unquote(match[3])}"

    def _today(self) -> int:
        """Days since 1970, modulo 1024."""
        return int(self._clock() / _DAY_SECONDS) % 1024

    @staticmethod
    def _hash(secret: str, rest: str) -> str:
        """50 bits in base32, of lower-case text: servers on the way may change the case."""
        digest = hmac.digest(secret.encode(), rest.lower().encode(), hashlib.sha256)
        return base64.b32encode(digest).decode()[:10].lower()


SenderRewriter = FixedSender | SrsSender


def sender_rewriter(forward_sender: str, secrets: Sequence[str]) -> SenderRewriter:
    """`forward_sender` is an address, or `srs:DOMAIN`."""
    scheme, colon, domain = forward_sender.partition(":")
    return SrsSender(domain, secrets) if colon and scheme == "srs" else FixedSender(forward_sender)
