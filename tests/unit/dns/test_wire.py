"""DNS messages, held against another implementation; and bytes that are none."""

import random
import struct
from ipaddress import ip_address

import dns.message
import dns.name
import dns.rdata
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfleet.dns.resolve import wire

LABEL = st.binary(min_size=1, max_size=20).map(bytes.lower)
NAME = st.lists(LABEL, min_size=1, max_size=6).map(lambda labels: dns.name.Name([*labels, b""]))
RDATA = st.one_of(
    st.tuples(st.just("A"), st.ip_addresses(v=4).map(str)),
    st.tuples(st.just("AAAA"), st.ip_addresses(v=6).map(str)),
    st.tuples(st.sampled_from(["CNAME", "NS", "PTR"]), NAME.map(str)),
    st.tuples(st.just("MX"), NAME.map(lambda name: f"10 {name}")),
    st.tuples(st.just("SRV"), NAME.map(lambda name: f"0 5 587 {name}")),
    st.tuples(
        st.just("TLSA"), st.binary(min_size=32, max_size=32).map(lambda raw: f"3 1 1 {raw.hex()}")
    ),
    st.tuples(
        st.just("DS"), st.binary(min_size=32, max_size=32).map(lambda raw: f"7 13 2 {raw.hex()}")
    ),
    st.tuples(
        st.just("CAA"),
        st.binary(max_size=200).map(
            lambda raw: '0 issue "' + "".join(f"\\{byte:03}" for byte in raw) + '"'
        ),
    ),
    st.tuples(st.just("SOA"), NAME.map(lambda name: f"{name} {name} 1 2 3 4 5")),
    st.tuples(
        st.just("TXT"),
        st.lists(st.binary(max_size=255), min_size=1, max_size=4).map(
            lambda parts: " ".join(
                '"' + "".join(f"\\{byte:03}" for byte in part) + '"' for part in parts
            )
        ),
    ),
)


def same_name(text: str, name: dns.name.Name) -> bool:
    return dns.name.from_text(f"{text}.") == name


@given(NAME, st.lists(st.tuples(NAME, st.integers(0, 2**31 - 1), RDATA), max_size=5))
def test_answers_are_read_as_another_implementation_wrote_them(
    name: dns.name.Name, records: list[tuple[dns.name.Name, int, tuple[str, str]]]
) -> None:
    answer = dns.message.make_response(dns.message.make_query(name, "A"))
    for owner, ttl, (kind, text) in records:
        answer.answer.append(dns.rrset.from_text(owner, ttl, "IN", kind, text))
    found = wire.parse(answer.to_wire())
    assert same_name(found.question[0], name)
    assert len(found.answers) == len(records)
    for number, (record, (owner, ttl, (kind, _))) in enumerate(
        zip(found.answers, records, strict=True)
    ):
        theirs = next(iter(answer.answer[number]))
        assert same_name(record.name, owner)
        assert record.ttl == ttl
        assert record.type == kind
        if kind == "TXT":
            assert record.value.encode("latin-1") == b"".join(theirs.strings)
        elif kind in ("A", "AAAA"):
            assert ip_address(record.value) == ip_address(theirs.to_text())
        elif kind == "MX":
            assert same_name(record.value.split(" ", 1)[1], theirs.exchange)
        elif kind == "SRV":
            assert record.value.startswith("0 5 587 ")
            assert same_name(record.value.split(" ", 3)[3], theirs.target)
        elif kind in ("CAA", "DS", "TLSA"):
            assert dns.rdata.from_text("IN", kind, record.value) == theirs
        elif kind != "SOA":
            assert same_name(record.value, theirs.target)


@given(NAME)
def test_queries_are_read_by_another_implementation(name: dns.name.Name) -> None:
    text = ".".join("".join(f"\\{byte:03}" for byte in label) for label in name.labels if label)
    message = dns.message.from_wire(wire.query(7, wire.encode_name(text), wire.TYPES["MX"]))
    (question,) = message.question
    assert (question.name, question.rdtype) == (name, dns.rdatatype.MX)
    assert (message.id, message.payload, bool(message.flags & dns.flags.RD)) == (7, 1232, True)


@pytest.mark.parametrize("name", ["a..b", ".a", "x" * 64 + ".example", "a." * 127 + "bc", "\\9"])
def test_invalid_name_is_an_error(name: str) -> None:
    with pytest.raises(wire.InvalidNameError):
        wire.encode_name(name)


def sample() -> bytes:
    answer = dns.message.make_response(dns.message.make_query("mail.example.com", "MX"))
    answer.answer = [
        dns.rrset.from_text("mail.example.com.", 60, "IN", "CNAME", "other.example.com."),
        dns.rrset.from_text("other.example.com.", 60, "IN", "MX", "10 a.example.com.", "20 b.de."),
        dns.rrset.from_text("other.example.com.", 60, "IN", "TXT", '"one" "two"'),
        dns.rrset.from_text("other.example.com.", 60, "IN", "CAA", '0 issue "ca.example"'),
        dns.rrset.from_text("other.example.com.", 60, "IN", "SRV", "0 5 587 a.example.com."),
        dns.rrset.from_text("other.example.com.", 60, "IN", "TLSA", "3 1 1 " + "ab" * 32),
    ]
    answer.authority = [
        dns.rrset.from_text("example.com.", 60, "IN", "SOA", "ns.example. root.example. 1 2 3 4 5")
    ]
    return answer.to_wire()


def test_a_compressed_name_cannot_loop() -> None:
    header = struct.pack("!6H", 1, 0x8180, 1, 0, 0, 0)
    for name in (b"\xc0\x0c", b"\x01a\xc0\x0c", b"\xc0\xff"):
        with pytest.raises(wire.MalformedMessageError):
            wire.parse(header + name + b"\0\1\0\1")


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_no_bytes_lead_to_anything_but_malformed(data: bytes) -> None:
    for message in (data, sample()[:12] + data, sample() + data):
        try:
            wire.parse(message)
        except wire.MalformedMessageError:
            continue


def test_damaged_messages_are_read_or_refused() -> None:
    """A short run of what `python -m tests.unit.dns.fuzz_wire` does at length."""
    from tests.unit.dns.fuzz_wire import fuzz

    assert fuzz(20_000, random.Random(1)) == 20_000
