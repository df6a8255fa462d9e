"""What an application's own log says of a mail that it could not hand over."""

import re
from collections.abc import Iterable
from enum import StrEnum


class Failure(StrEnum):
    """How handing over failed, in the order in which a connection goes."""

    REFUSED = "connection refused"
    TIMEOUT = "timeout"
    CLOSED = "connection closed"
    CERTIFICATE = "certificate"
    CREDENTIAL = "535"
    ANSWER = "refused by Postal"


# Words of smtplib, Django, Nodemailer, PHPMailer, Go and curl. They mean the same to `re` and to
# GNU's `grep -E`, with which hosts are asked.
_WORDS = {
    Failure.CREDENTIAL: r"\(535,|\b535\b.*(auth|credential|denied)|EAUTH|"
    r"SMTPAuthenticationError|authentication fail|invalid credential|could not authenticate",
    Failure.CERTIFICATE: r"certificate verify failed|CERT_|certificate (is not|has expired)|"
    r"self.signed certificate|hostname mismatch|x509:",
    Failure.REFUSED: r"connection refused|ECONNREFUSED",
    Failure.TIMEOUT: r"timed? ?out|ETIMEDOUT|i/o timeout|ESOCKETTIMEDOUT",
    Failure.CLOSED: r"unexpectedly closed|ECONNRESET|connection reset|unexpected EOF|"
    r"SMTPServerDisconnected",
    Failure.ANSWER: r"\b5[35][0-4]\b.*(from|sender|recipient|relay|denied|invalid|rejected)",
}

FAILURES = "|".join(_WORDS.values())
"""Finds each line that tells of a failure, whatever its case."""

# Port 25 stands behind the name or address of a host, minute 25 does not.
MAIL = r"smtp|mail|[]a-z.-][0-9]*:(25|465|587|2525):?([^:0-9]|$)"
"""Finds each line that is about mail, whatever its case: connections to databases fail, too."""


def failure_of(line: str) -> Failure | None:
    """What one line of a log tells, if it tells of a mail that failed."""
    for failure, words in _WORDS.items():
        if re.search(words, line, re.IGNORECASE):
            return failure
    return None


def last_failure(lines: Iterable[str]) -> tuple[Failure, str] | None:
    """The last line that tells of one; what came before may be mended."""
    found = None
    for line in lines:
        if failure := failure_of(line):
            found = failure, line.strip()
    return found
