"""Whatever comes in: no error of ours, and what is accepted is at the relay, byte for byte.

EMAIL_API_FUZZ=N sets how many cases each fuzz test tries (default 100).
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

from tests.conftest import World
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
    """As the pipe does it; also what is no valid UTF-8."""
    return "".join(f"%{byte:02X}" for byte in address.encode("utf-8", "surrogatepass"))


def as_sent(message: bytes) -> bytes:
    """How SMTP carries it."""
    sent = re.sub(rb"\r\n|\n|\r", b"\r\n", message)
    return sent if sent.endswith(b"\r\n") else sent + b"\r\n"


def check(world: World, answer: httpx.Response, message: bytes) -> None:
    assert answer.status_code in (202, 400, 404, 410, 508), answer.text
    if answer.status_code == 202:
        assert world.sink.received
        without_line = re.sub(rb"\AFrom [^\n]*\n", b"", message)
        if b"return-path" not in message.lower():
            assert all(one.message.endswith(as_sent(without_line)) for one in world.sink.received)
    else:
        assert not world.sink.received


@_settings
@given(message=_MESSAGE, number=st.integers(0, 10**9))
def test_any_message(world: World, message: bytes, number: int) -> None:
    world.sink.received.clear()
    answer = world.post(message, "info@example.com", "a@b.test", f"Q{number}x{os.urandom(4).hex()}")
    check(world, answer, message)


@_settings
@given(message=_MESSAGE)
def test_any_header_where_the_alias_is_looked_for(world: World, message: bytes) -> None:
    world.sink.received.clear()
    check(world, world.post(message, None, None, f"Q{os.urandom(8).hex()}"), message)


@_settings
@given(recipient=_ADDRESS, sender=_ADDRESS)
def test_any_envelope(world: World, recipient: str, sender: str) -> None:
    world.sink.received.clear()
    queue_id = f"Q{os.urandom(8).hex()}"
    answer = world.post(b"Subject: x\n\nx\n", encoded(recipient), encoded(sender), queue_id)
    check(world, answer, b"Subject: x\n\nx\n")
    for one in world.sink.received:
        assert one.sender.isascii() and not re.search(r"[\s<>\x00]", one.sender)
        assert b"\nBcc:" not in one.message.partition(b"Subject")[0]


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
def test_monsters(world: World, message: bytes, recipient: str | None) -> None:
    check(world, world.post(message, recipient), message)


def test_ten_thousand_recipients_and_one_of_ours(world: World) -> None:
    others = b", ".join(b"user%d@elsewhere.test" % number for number in range(10_000))
    message = b"To: " + others + b", info@example.com\n\nbody\n"
    assert world.post(message, recipient=None).status_code == 202
    assert [one.recipient for one in world.sink.received] == ["a@mailbox.test"]


def test_the_document_is_true(world: World) -> None:
    """Generated requests, valid and not: each answer is one that the document has."""
    schema = schemathesis.openapi.from_url(f"{world.http.base_url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert {operation.path for operation in operations} >= {"/v1/email", "/v1/admin/aliases"}
    for operation in operations:
        _holds_for(operation)


@schemathesis.serializer("message/rfc822")
def _as_bytes(context: Any, value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _holds_for(operation: Any) -> None:
    token = ADMIN_TOKEN if "admin" in operation.path else PSK

    @settings(_settings, max_examples=_CASES // 5, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def try_it(case: schemathesis.Case) -> None:
        case.call_and_validate(
            headers={"Authorization": f"Bearer {token}"},
            # Not every message that is well formed has a recipient that exists.
            excluded_checks=[positive_data_acceptance],
        )

    try_it()
