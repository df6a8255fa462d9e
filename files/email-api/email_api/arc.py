"""ARC (Authenticated Received Chain, RFC 8617).

Forwarding breaks SPF, so a receiver cannot repeat the checks that our mailserver made when the
message arrived. With ARC the forwarder adds a set of three fields: the results of those checks
(ARC-Authentication-Results), a signature of the message (ARC-Message-Signature) and a seal over
all sets so far (ARC-Seal). Receivers that trust the sealing domain may rely on the results.
"""

import asyncio
import logging
import re

import dkim

logger = logging.getLogger("email_api")

_LINE_END = re.compile(rb"\r\n|\r|\n")


class ArcSealer:
    """Seals the mailserver's own Authentication-Results, which name its `authserv_id`.

    The mailserver removes fields of that name that arrive from outside (RFC 8601 section 5).
    """

    def __init__(self, key: bytes, domain: str, selector: str, authserv_id: str) -> None:
        self._key = key
        self._domain = domain.encode("ascii")
        self._selector = selector.encode("ascii")
        self._authserv_id = authserv_id.encode("ascii")

    async def seal(self, message: bytes) -> bytes:
        """Returns the ARC set to put on top of the message. Empty if the mailserver has checked
        nothing, or has not checked the ARC sets that the message arrived with."""
        return await asyncio.to_thread(self._seal, message)

    def _seal(self, message: bytes) -> bytes:
        # The relay client converts line ends the same way.
        sent = _LINE_END.sub(b"\r\n", message)
        try:
            fields: list[bytes] = dkim.arc_sign(
                sent, self._selector, self._domain, self._key, self._authserv_id
            )
        except Exception as error:
            # dkimpy raises many types on malformed messages. Forward those without a seal.
            logger.warning("ARC seal omitted: %s", type(error).__name__)
            return b""
        return b"".join(fields)


def check_key(key: bytes) -> None:
    """Raises ValueError unless the key can sign."""
    try:
        dkim.parse_pem_private_key(key)
    except dkim.UnparsableKeyError:
        raise ValueError("not an RSA private key in PEM format") from None
