"""Whether a certificate's chain holds and for how long yet, as a client elsewhere sees it."""

import ssl
import time
from collections.abc import Callable
from typing import Any

from mailfleet.health.probe import Answer, Limit, Status

REMEDY = "the runbook on certificates tells how a renewal is found and made to work"
_DAY = 86400


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """What this machine trusts, and a further authority."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def chain(certificate: Callable[[], dict[str, Any]], days: Limit) -> Answer:
    """`certificate` connects with `trusting`, and returns what `getpeercert` says. Raises OSError
    where nobody answers."""
    try:
        ends = str(certificate()["notAfter"])
    except ssl.SSLCertVerificationError as error:
        return Answer(Status.FAIL, f"the chain does not hold: {error.verify_message}")
    left = (ssl.cert_time_to_seconds(ends) - time.time()) / _DAY
    return Answer(days.status(left), f"valid until {ends}", round(left, 1))
