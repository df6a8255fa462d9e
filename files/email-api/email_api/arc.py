"""ARC (RFC 8617): what our mailserver found of SPF, DKIM and DMARC, sealed, so that receivers of
forwarded mail may rely on it."""

import asyncio
import logging
import re

import dkim

logger = logging.getLogger("email_api")

_LINE_END = re.compile(rb"\r\n|\r|\n")


class Seal:
    """Made from the mailserver's Authentication-Results. Its own checks take those of the same name
    away that a sender wrote."""

    def __init__(self, key: bytes, domain: str, selector: str, authserv_id: str) -> None:
        self._key = key
        self._domain = domain.encode("ascii")
        self._selector = selector.encode("ascii")
        self._authserv_id = authserv_id.encode("ascii")

    async def fields(self, message: bytes) -> bytes:
        """The set that goes on top of a message. Empty where the mailserver has checked nothing, or
        found nothing of a seal that is there already."""
        return await asyncio.to_thread(self._fields, message)

    def _fields(self, message: bytes) -> bytes:
        # As the relay gets it.
        sent = _LINE_END.sub(b"\r\n", message)
        try:
            fields: list[bytes] = dkim.arc_sign(
                sent, self._selector, self._domain, self._key, self._authserv_id
            )
        except Exception as error:
            # Whatever is wrong with the message: without a seal it is as good as it came.
            logger.warning("not sealed: %s", type(error).__name__)
            return b""
        return b"".join(fields)


def check_key(key: bytes) -> None:
    """Raises ValueError unless it can seal."""
    try:
        dkim.parse_pem_private_key(key)
    except dkim.UnparsableKeyError:
        raise ValueError("not an RSA key in PEM") from None
