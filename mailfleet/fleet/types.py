"""The kinds of values settings are made of: each checked once, here, with a plain sentence."""

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z")
_LOCAL_PART = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}\Z")
_IMAGE = re.compile(r"[a-z0-9]+([._:/-][a-z0-9]+)*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}(@sha256:[0-9a-f]{64})?\Z")
_SQL_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")


def host_name(value: str) -> str:
    """A fully qualified, lower-case host name (RFC 1123 section 2.1), without a trailing dot."""
    labels = value.split(".")
    if len(value) > 253 or len(labels) < 2 or not all(_LABEL.match(label) for label in labels):
        raise ValueError(
            "not a fully qualified host name: use lower-case letters, digits and hyphens in at "
            "least two labels, such as mail.example.com (write an IDN in its xn-- form)"
        )
    return value


def email_address(value: str) -> str:
    local, at, domain = value.rpartition("@")
    if not at or not _LOCAL_PART.match(local):
        raise ValueError("not an e-mail address: write it as name@example.com")
    host_name(domain)
    return value


def _matches(pattern: re.Pattern[str], remedy: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.match(value):
            raise ValueError(remedy)
        return value

    return AfterValidator(check)


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f"not an IP network: {error}; write it as 192.0.2.0/24") from None
    return value


def _single_line(value: str) -> str:
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError("control characters and line breaks are not allowed here")
    return value


HostName = Annotated[str, AfterValidator(host_name)]
EmailAddress = Annotated[str, AfterValidator(email_address)]
Port = Annotated[int, Field(ge=1, le=65535)]
Network = Annotated[str, AfterValidator(_network)]
Text = Annotated[str, Field(min_length=1), AfterValidator(_single_line)]
Image = Annotated[
    str, _matches(_IMAGE, "not an image name: write it as ghcr.io/owner/name, without a tag")
]
Tag = Annotated[
    str, _matches(_TAG, "not an image tag: write it as 3.3.7 or 3.3.7@sha256:<64 hex digits>")
]
SqlName = Annotated[
    str, _matches(_SQL_NAME, "use 1 to 32 lower-case letters, digits and underscores")
]
Protocol = Literal["tcp", "udp"]
