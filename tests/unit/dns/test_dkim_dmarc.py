"""Key records and policies as receivers read them."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from mailfleet.dns.desired.keys import UnusableKeyError, public_key
from mailfleet.dns.dkim import InvalidKeyRecordError, RevokedKeyError, parse_key
from mailfleet.dns.dmarc import (
    Discovery,
    InvalidPolicyRecordError,
    aligned,
    discover,
    parse_policy,
    walk,
)
from mailfleet.dns.resolve.answer import Answer, Question, Status, run

# RFC 8463 appendix A.2: the same message signed with both kinds of key.
RSA = (
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR"
    "iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC"
    "DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3"
    "Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
)
ED25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def test_the_keys_of_the_rfc() -> None:
    rsa, ed = parse_key(RSA), parse_key(ED25519)
    assert (rsa.kind, rsa.bits, ed.kind, len(ed.number)) == ("rsa", 1024, "ed25519", 32)


def test_two_spellings_of_a_key_are_one_key() -> None:
    other = RSA.replace("v=DKIM1; k=rsa; ", "v = DKIM1;t=s:y ; h=sha256;n=x;").replace(
        "iGs", "i Gs"
    )
    assert parse_key(other).number == parse_key(RSA).number
    assert parse_key(other).testing
    assert parse_key(RSA.removeprefix("v=DKIM1; k=rsa; ")).bits == 1024


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("v=DKIM1; p=", "revoked"),
        ("v=DKIM1", "no key"),
        ("v=DKIM2; p=AAAA", "not DKIM1"),
        ("p=AAAA; v=DKIM1", "not the first"),
        ("v=DKIM1; p=!!!", "base64"),
        ("v=DKIM1; p=AAAA", "DER"),
        ("v=DKIM1; k=ed25519; p=AAAA", "32 bytes"),
        ("v=DKIM1; k=dsa; p=AAAA", "no such kind"),
        ("v=DKIM1; p=AAAA; p=BBBB", "twice"),
        ("v=spf1 -all", "not a tag|no key|not DKIM1"),
    ],
)
def test_invalid_key_record_is_an_error(text: str, words: str) -> None:
    with pytest.raises(InvalidKeyRecordError, match=words):
        parse_key(text)


def test_an_ed25519_key_in_der_is_not_taken_for_rsa() -> None:
    key = Ed25519PrivateKey.generate().public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(InvalidKeyRecordError, match="not an RSA key"):
        parse_key(f"p={base64.b64encode(der).decode()}")
    with pytest.raises(RevokedKeyError):
        parse_key("p=")


def test_unusable_private_key_error_does_not_show_the_key() -> None:
    with pytest.raises(UnusableKeyError) as caught:
        public_key("canary")
    assert "canary" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_a_key_or_not(text: str) -> None:
    for candidate in (text, f"v=DKIM1; {text}", f"p={text}"):
        try:
            parse_key(candidate)
        except InvalidKeyRecordError as error:
            assert str(error)


@given(st.text(max_size=60))
def test_any_text_is_a_policy_or_not(text: str) -> None:
    for candidate in (text, f"v=DMARC1; {text}", f"v=DMARC1; p=none; rua={text}"):
        try:
            parse_policy(candidate)
        except InvalidPolicyRecordError as error:
            assert str(error)


def test_a_policy_is_read_as_receivers_do() -> None:
    policy = parse_policy(
        "v=DMARC1;p=Quarantine ; sp=reject; aspf=s; adkim=r; pct=50; x=y; junk;"
        "rua=mailto:a@example.org!10m, mailto:b@example.org"
    )
    assert (policy.policy, policy.subdomains) == ("quarantine", "reject")
    assert (policy.for_domain(below=False), policy.for_domain(below=True)) == (
        "quarantine",
        "reject",
    )
    assert (policy.strict_spf, policy.removed) == (True, ("pct",))
    assert policy.reports == ("mailto:a@example.org!10m", "mailto:b@example.org")
    assert policy.odd == ("not a tag: 'junk'",)
    assert parse_policy("v=DMARC1").policy == "none"
    assert parse_policy("v=DMARC1; p=strict; rua=mailto:a@b.example").policy == "none"
    with pytest.raises(InvalidPolicyRecordError, match="no such value"):
        parse_policy("v=DMARC1; p=strict")
    # RFC 9989 section 4.8: tags have no case, the version has.
    assert parse_policy("V=DMARC1; P=reject").policy == "reject"
    for text in ("p=none; v=DMARC1", " v=DMARC1; p=none", "v=dmarc1; p=none", "v=DMARC1, p=none"):
        with pytest.raises(InvalidPolicyRecordError, match="begin"):
            parse_policy(text)


def test_the_walk_takes_eight_steps_at_most() -> None:
    assert walk("a.b.c") == ["a.b.c", "b.c", "c"]
    deep = walk("a.b.c.d.e.f.g.h.i.j.mail.example.com")
    assert deep[:2] == ["a.b.c.d.e.f.g.h.i.j.mail.example.com", "g.h.i.j.mail.example.com"]
    assert (len(deep), deep[-1]) == (8, "com")


def found(domain: str, **records: str) -> Discovery:
    """Records by domain, dots written as underscores."""
    zone = {f"_dmarc.{name.replace('_', '.')}": text for name, text in records.items()}

    def lookup(question: Question) -> Answer:
        if text := zone.get(question.name):
            return Answer(question, Status.OK, tuple(text.split("|")))
        return Answer(question, Status.NXDOMAIN)

    return run(discover(domain), lookup)


def test_discovery_and_organization() -> None:
    own = found("a.mail.example.com", example_com="v=DMARC1; p=reject")
    assert (own.where, own.organization) == ("example.com", "example.com")
    split = found(
        "a.mail.example.com",
        example_com="v=DMARC1; p=reject",
        mail_example_com="v=DMARC1; psd=n",
    )
    assert (split.where, split.organization) == ("mail.example.com", "mail.example.com")
    suffix = found("a.b.bank", bank="v=DMARC1; p=reject; psd=y")
    assert (suffix.where, suffix.organization) == ("bank", "b.bank")
    nothing = found("a.example.com")
    assert (nothing.record, nothing.organization) == (None, "a.example.com")


def test_two_dmarc_records_count_as_none() -> None:
    both = found(
        "example.com", example_com="v=DMARC1; p=none|v=DMARC1; p=reject", com="v=DMARC1; psd=y"
    )
    assert both.ignored == ("2 records, one is allowed",)


def test_unanswered_parent_query_is_ignored_after_a_policy() -> None:
    def lookup(question: Question) -> Answer:
        if question.name == "_dmarc.example.com":
            return Answer(question, Status.OK, ("v=DMARC1; p=reject",))
        return Answer(question, Status.REFUSED)

    assert run(discover("example.com"), lookup).where == "example.com"
    assert run(discover("a.example.com"), lookup).failed == "_dmarc.a.example.com TXT: refused"


def test_alignment() -> None:
    record = "v=DMARC1; p=reject"
    domain = found("example.com", example_com=record)
    bounce = found("psrp.example.com", example_com=record)
    other = found("example.org", example_org=record)
    assert aligned(domain, bounce, strict=False)
    assert not aligned(domain, bounce, strict=True)
    assert not aligned(domain, other, strict=False)
