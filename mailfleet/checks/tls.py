"""Whether a certificate's chain holds and for how long yet, as a client elsewhere sees it."""

import ssl
import time
from collections.abc import Callable
from typing import Any

from mailfleet.agent.evaluate import LIFE_DAYS
from mailfleet.checks.probe import Answer, Limit
from mailfleet.checks.result import Status

REMEDY = "the runbook on certificates tells how a renewal is found and made to work"
LEFT = Limit(14, 3, f" of {LIFE_DAYS} days")
"""Of a shorter life, the same parts."""
_DAY = 86400


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """What this machine trusts, and a further authority."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def chain(certificate: Callable[[], dict[str, Any]]) -> Answer:
    """`certificate` connects with `trusting`, and returns what `getpeercert` says. Raises OSError
    where nobody answers."""
    try:
        seen = certificate()
    except ssl.SSLCertVerificationError as error:
        return Answer(Status.FAIL, f"the chain does not hold: {error.verify_message}")
    began, ends = (ssl.cert_time_to_seconds(seen[it]) for it in ("notBefore", "notAfter"))
    left, life = (ends - time.time()) / _DAY, (ends - began) / _DAY
    status = LEFT.status(left * max(1, LIFE_DAYS / life))
    return Answer(status, f"valid until {seen['notAfter']}", round(left, 1))
