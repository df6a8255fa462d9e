"""The envelope sender of forwarded mail: rewritten, or the receiver's SPF check would fail.

SRS (Sender Rewriting Scheme), as far as one forwarder needs it: SRS0=hash=day=domain=local@ours.
The hash keeps others from sending through us to addresses of their choice; a day in the address
lets it expire. https://www.libsrs2.net/srs/srs.pdf
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence
from urllib.parse import quote, unquote

from email_api.errors import NotIssued

VALID_DAYS = 21
"""Bounces come within the five days that servers keep on trying, and with a margin."""

_DAY = 86400
_SRS = re.compile(r"SRS0[=+-]([a-z2-7]{10})=([a-z2-7]{2})=([^=@]+)=([^@]*)", re.IGNORECASE)
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


class Fixed:
    """One address for all: its owner sees the bounces."""

    def __init__(self, address: str) -> None:
        self._address = address

    def rewrite(self, sender: str) -> str:
        """The envelope sender to forward with; a bounce stays one, or it could be bounced."""
        return self._address if sender else ""

    def original(self, recipient: str) -> str | None:
        return None


class Srs:
    """Addresses that lead a bounce back to the original sender."""

    def __init__(
        self, domain: str, secrets: Sequence[str], clock: Callable[[], float] = time.time
    ) -> None:
        self._domain = domain.lower()
        self._secrets = secrets
        self._clock = clock

    def rewrite(self, sender: str) -> str:
        """The envelope sender to forward with; a bounce stays one, or it could be bounced."""
        local, at, domain = sender.rpartition("@")
        if not at:
            return ""
        day = self._today()
        stamp = _BASE32[day >> 5] + _BASE32[day & 31]
        # Percent-encoded: the address is ASCII, and nothing in it can end it.
        rest = (
            f"{stamp}={quote(domain.lower(), safe='.-')}={quote(local, safe='!#$&*+/=?^_{|}~.-')}"
        )
        return f"SRS0={self._hash(self._secrets[0], rest)}={rest}@{self._domain}"

    def original(self, recipient: str) -> str | None:
        """The sender that an address stands for; None if it does not look like one of ours. Raises
        NotIssued if it only looks so."""
        local, _, domain = recipient.rpartition("@")
        found = _SRS.fullmatch(local)
        if domain.lower() != self._domain or not found:
            return None
        hashed, stamp, *_ = (part.lower() for part in found.groups())
        rest = f"{stamp}={found[3]}={found[4]}"
        if not any(
            hmac.compare_digest(hashed, self._hash(secret, rest)) for secret in self._secrets
        ):
            raise NotIssued("the hash is not ours")
        day = _BASE32.index(stamp[0]) << 5 | _BASE32.index(stamp[1])
        if (self._today() - day) % 1024 > VALID_DAYS:
            raise NotIssued(f"older than {VALID_DAYS} days")
        return f"{unquote(found[4])}@{unquote(found[3])}"

    def _today(self) -> int:
        return int(self._clock() / _DAY) % 1024

    @staticmethod
    def _hash(secret: str, rest: str) -> str:
        """50 bits. Of lower-case text: servers on the way may change the case."""
        digest = hmac.digest(secret.encode(), rest.lower().encode(), hashlib.sha256)
        return base64.b32encode(digest).decode()[:10].lower()


Senders = Fixed | Srs


def senders(forward_sender: str, secrets: Sequence[str]) -> Senders:
    """`forward_sender` is an address, or `srs:DOMAIN`."""
    scheme, colon, domain = forward_sender.partition(":")
    return Srs(domain, secrets) if colon and scheme == "srs" else Fixed(forward_sender)
