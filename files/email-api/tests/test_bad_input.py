"""Any input: no internal error, and every accepted message reaches the relay byte for byte.

EMAIL_API_FUZZ=N sets the number of cases per fuzz test (default 100).
"""

import os
import re
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.conftest import Stack
from tests.servers import ADMIN_TOKEN, PSK

_CASES = int(os.environ.get("EMAIL_API_FUZZ", "100"))
_settings = settings(
    max_examples=_CASES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

_ANY = st.binary(max_size=200)
_ADDRESSES = st.sampled_from(
    [
        "info@example.com",
        "Team+x@example.com",
        '"quoted local"@example.com',
        "info@example.com\r\nBcc: victim@elsewhere.test",
        "@relay.test:info@example.com",
        "info%example.com@elsewhere.test",
        "grün@example.com",
        "x@catch.example.com",
        "SRS0=aaaaaaaaaa=aa=b=c@fwd.example.com",
        "<>",
        "\x00@\x00",
        "a@b@c",
    ]
)
_ADDRESS = st.one_of(_ADDRESSES, st.text(max_size=60))
_NAMES = st.sampled_from(
    b"To|Cc|Bcc|Delivered-To|X-Original-To|Return-Path|Received|X-Loop|X\x00||From x|"
    b"Authentication-Results|ARC-Seal|From|Content-Type".split(b"|")
)
_FIELD = st.builds(
    lambda name, value, end: name + b": " + value + end,
    _NAMES,
    st.one_of(
        _ANY,
        _ADDRESS.map(lambda text: text.encode("utf-8", "surrogatepass")),
        _ANY.map(lambda text: b"mx1.example.com; spf=pass " + text),
        _ANY.map(lambda text: b"i=1; cv=none; " + text),
    ),
    st.sampled_from([b"\r\n", b"\n", b"\r", b"\n\t", b"\r\n ", b""]),
)
_MESSAGE = st.one_of(
    st.binary(max_size=2000),
    st.builds(
        lambda fields, gap, body: b"".join(fields) + gap + body,
        st.lists(_FIELD, max_size=8),
        st.sampled_from([b"\r\n", b"\n", b""]),
        _ANY,
    ),
)


def encoded(address: str) -> str:
    """Percent-encoded, as the pipe handoff sends addresses, including invalid UTF-8."""
    return "".join(f"%{byte:02X}" for byte in address.encode("utf-8", "surrogatepass"))


def as_sent(message: bytes) -> bytes:
    """The message with line ends as SMTP requires them."""
    sent = re.sub(rb"\r\n|\n|\r", b"\r\n", message)
    return sent if sent.endswith(b"\r\n") else sent + b"\r\n"


def check(stack: Stack, response: httpx.Response, message: bytes) -> None:
    assert response.status_code in (202, 400, 404, 410, 508), response.text
    if response.status_code == 202:
        assert stack.relay.received
        without_mbox_line = re.sub(rb"\AFrom [^\n]*\n", b"", message)
        if b"return-path" not in message.lower():
            expected = as_sent(without_mbox_line)
            assert all(mail.message.endswith(expected) for mail in stack.relay.received)
    else:
        assert not stack.relay.received


@_settings
@given(message=_MESSAGE, number=st.integers(0, 10**9))
def test_any_message_to_a_known_alias(stack: Stack, message: bytes, number: int) -> None:
    stack.relay.received.clear()
    queue_id = f"Q{number}x{os.urandom(4).hex()}"
    response = stack.post(message, "info@example.com", "a@b.test", queue_id)
    check(stack, response, message)


@_settings
@given(message=_MESSAGE)
def test_any_header_without_envelope_recipient(stack: Stack, message: bytes) -> None:
    stack.relay.received.clear()
    check(stack, stack.post(message, None, None, f"Q{os.urandom(8).hex()}"), message)


@_settings
@given(recipient=_ADDRESS, sender=_ADDRESS)
def test_any_envelope(stack: Stack, recipient: str, sender: str) -> None:
    stack.relay.received.clear()
    queue_id = f"Q{os.urandom(8).hex()}"
    response = stack.post(b"Subject: x\n\nx\n", encoded(recipient), encoded(sender), queue_id)
    check(stack, response, b"Subject: x\n\nx\n")
    for mail in stack.relay.received:
        assert mail.sender.isascii() and not re.search(r"[\s<>\x00]", mail.sender)
        assert b"\nBcc:" not in mail.message.partition(b"Subject")[0]


@pytest.mark.parametrize(
    "message",
    [
        b"Subject: " + b"x" * 1_000_000 + b"\n\nbody\n",
        b"X: y\n" * 200_000 + b"\nbody\n",
        b"To: " + b", ".join(b"user%d@elsewhere.test" % n for n in range(10_000)) + b"\n\nbody\n",
        b"To: " + b"(" * 100_000 + b"\n\nbody\n",
        b"To: " + b'"' * 100_001 + b"@" * 100_000 + b"\n\nbody\n",
        b"To" + b" " * 500_000 + b"\n\nbody\n",
        b" folded\n" * 100_000,
        b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n" * 50_000,
        b"Content-Encoding: gzip\n\n\x1f\x8b\x08" + b"\x00" * 1_000_000,
        b"Subject: =?utf-8?B?" + b"\xff" * 10_000 + b"?=\n\n\xff\xfe\n",
        b"",
        b"\n",
        b"\r\n\r\n",
    ],
    ids=lambda message: f"{message[:12]!r} {len(message)}",
)
@pytest.mark.parametrize("recipient", ["info@example.com", None])
def test_huge_and_degenerate_messages(stack: Stack, message: bytes, recipient: str | None) -> None:
    check(stack, stack.post(message, recipient), message)


def test_one_alias_among_ten_thousand_recipients(stack: Stack) -> None:
    others = b", ".join(b"user%d@elsewhere.test" % number for number in range(10_000))
    message = b"To: " + others + b", info@example.com\n\nbody\n"
    assert stack.post(message, recipient=None).status_code == 202
    assert [mail.recipient for mail in stack.relay.received] == ["a@mailbox.test"]


def test_every_response_matches_the_openapi_document(stack: Stack) -> None:
    """Requests generated from the document, valid and invalid."""
    schema = schemathesis.openapi.from_url(f"{stack.client.base_url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert {operation.path for operation in operations} >= {"/v1/email", "/v1/admin/aliases"}
    for operation in operations:
        _check_operation(operation)


@schemathesis.serializer("message/rfc822")
def _as_bytes(context: Any, value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _check_operation(operation: Any) -> None:
    token = ADMIN_TOKEN if "admin" in operation.path else PSK

    @settings(_settings, max_examples=_CASES // 5, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def check_case(case: schemathesis.Case) -> None:
        case.call_and_validate(
            headers={"Authorization": f"Bearer {token}"},
            # A valid request may name an alias that does not exist.
            excluded_checks=[positive_data_acceptance],
        )

    check_case()
