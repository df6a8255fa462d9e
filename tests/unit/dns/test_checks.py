"""Checks over what DNS says: a world as wanted is clean, and each fault in it is told."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfleet.deploying.records import desired_records
from mailfleet.dns.checks import checks_of
from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.resolve.answer import Answer, Question, Status, run
from mailfleet.fleet.fleet import Fleet

World = dict[tuple[str, str], tuple[str, ...]]

RP, SPF, HELO = "rp.postal.example.com", "spf.postal.example.com", "postal1.example.com"
KEY = f"postal._domainkey.{RP}"
CLICK, TRACK = "click.example.com", "track.postal.example.com"
REVERSE = "10.2.0.192.in-addr.arpa"


@pytest.fixture
def wanted(postal_fleet: Callable[..., Fleet]) -> list[Record]:
    return desired_records(postal_fleet(), ["example.org"])


def world_of(records: list[Record]) -> World:
    world: World = {(record.name, record.type): record.values for record in records}
    world["_dmarc.example.org", "TXT"] = ("v=DMARC1; p=reject; rua=mailto:a@example.org",)
    return world


def findings(records: list[Record], world: World) -> list[Finding]:
    def lookup(question: Question) -> Answer:
        name, chain = question.name, []
        while question.type != "CNAME" and (name, "CNAME") in world and name not in chain:
            name = world[name, "CNAME"][0]
            chain.append(name)
        values = world.get((name, question.type), ())
        if values == ("TIMEOUT",):
            return Answer(question, Status.TIMEOUT)
        known = any(other == name for other, _ in world)
        status = Status.OK if values else Status.NODATA if known else Status.NXDOMAIN
        return Answer(question, status, values, tuple(chain))

    return [finding for check in checks_of(records) for finding in run(check, lookup)]


def faults(records: list[Record], changes: World) -> list[Finding]:
    world = {**world_of(records), **changes}
    return [
        finding
        for finding in findings(records, {key: value for key, value in world.items() if value})
        if finding.verdict not in (Verdict.OK, Verdict.INFO)
    ]


def test_desired_records_have_no_faults(wanted: list[Record]) -> None:
    assert faults(wanted, {}) == []


def test_each_missing_record_has_a_remedy(wanted: list[Record]) -> None:
    found = [one for one in findings(wanted, {}) if one.check != "dnssec"]
    by_key = {(finding.name, finding.type): finding for finding in found}
    assert len(by_key) == len(found) == len(wanted)
    for record in wanted:
        finding = by_key[record.name, record.type]
        assert (finding.verdict, finding.severity) == (Verdict.FAIL, record.severity)
        assert finding.remedy == tuple(f"{record.name}. IN {record.type} {x}" for x in record.lines)
        assert finding.effect.endswith(".")
        assert finding.source


def test_equivalent_spelling_is_no_fault(wanted: list[Record]) -> None:
    key = world_of(wanted)[KEY, "TXT"][0]
    spelled = key.replace("v=DKIM1; t=s; h=sha256; p=", "v=DKIM1;k=rsa;h=sha256;p= ").rstrip(";")
    assert not faults(
        wanted,
        {
            (KEY, "TXT"): (spelled[:200] + " " + spelled[200:],),
            (SPF, "TXT"): ("V=SPF1 IP6:2001:DB8:0::10/128 ip4:192.0.2.8/30 -ALL",),
            (RP, "TXT"): ("unrelated", "v=spf1 include:spf.postal.example.com -all"),
            (RP, "MX"): ("5 mx.postal.example.com",),
            ("example.org", "TXT"): ("v=spf1 redirect=x.example.org",),
            ("x.example.org", "TXT"): ("v=spf1 include:spf.postal.example.com -all",),
            ("_dmarc.example.org", "TXT"): ("v=DMARC1;p=quarantine;rua=mailto:d@example.org",),
        },
    )


@pytest.mark.parametrize(
    ("changes", "check", "verdict", "seen"),
    [
        ({("mx.postal.example.com", "A"): ("192.0.2.9",)}, "address", "fail", "lacks 192.0.2.10"),
        (
            {("mx.postal.example.com", "A"): ("192.0.2.10", "192.0.2.9")},
            "address",
            "warn",
            "192.0.2.9",
        ),
        ({(SPF, "TXT"): ("v=spf1 ip4:192.0.2.10 -all",)}, "spf.covers", "fail", "2001:db8::10"),
        ({(SPF, "TXT"): ("v=spf1 a", "v=spf1 mx")}, "spf", "fail", "2 SPF records"),
        ({(SPF, "TXT"): ("v=spf1 ipv4:192.0.2.10",)}, "spf", "fail", "no such mechanism"),
        ({(SPF, "TXT"): ("v=spf10 a",)}, "spf", "fail", "no SPF record"),
        ({("example.org", "TXT"): ("TIMEOUT",)}, "spf", "unknown", "no answer in time"),
        (
            {("example.org", "TXT"): ("v=spf1 include:slow.example -all",)}
            | {("slow.example", "TXT"): ("TIMEOUT",)},
            "spf.covers",
            "unknown",
            "slow.example TXT",
        ),
        ({("example.org", "TXT"): ("v=spf1 +all",)}, "spf.advice", "warn", "+all"),
        (
            {("example.org", "TXT"): ("v=spf1 ip4:192.0.2.10 ip6:2001:db8::10 -all",)},
            "spf.include",
            "warn",
            "lacks include:spf.postal.example.com",
        ),
        (
            {("example.org", "TXT"): (f"v=spf1 include:{SPF} {'a:x.example ' * 10}-all",)},
            "spf.whole",
            "warn",
            "more than",
        ),
        ({("example.org", "TXT"): (f"v=spf1 include:{SPF}",)}, "spf.advice", "warn", "no verdict"),
        ({(KEY, "TXT"): ("v=DKIM1; p=",)}, "dkim", "fail", "revoked"),
        ({(KEY, "TXT"): ("a", "b")}, "dkim", "fail", "2 TXT records"),
        ({(KEY, "TXT"): ("v=DKIM1; p=x",)}, "dkim", "fail", "base64"),
        ({(RP, "MX"): ("10 other.example",)}, "mx", "fail", "lacks mx.postal"),
        (
            {(RP, "MX"): ("10 mx.postal.example.com", "0 .")},
            "mx.null",
            "fail",
            "must be the only MX record",
        ),
        (
            {(RP, "MX"): ("10 mx.postal.example.com", "20 192.0.2.1")},
            "mx.host",
            "fail",
            "an address",
        ),
        (
            {
                (RP, "MX"): ("10 mx.postal.example.com", "20 b.example"),
                ("b.example", "CNAME"): (HELO,),
            },
            "mx.host",
            "fail",
            f"b.example is a CNAME of {HELO}",
        ),
        ({(CLICK, "CNAME"): (), (CLICK, "A"): ("192.0.2.9",)}, "alias", "fail", "192.0.2.9 inst"),
        ({(CLICK, "CNAME"): ("other.example",)}, "alias", "fail", "other.example"),
        (
            {
                (CLICK, "CNAME"): (),
                (CLICK, "A"): ("192.0.2.10",),
                (CLICK, "AAAA"): ("2001:db8::10",),
            },
            "alias",
            "warn",
            f"no CNAME, but the addresses of {TRACK}",
        ),
        ({(REVERSE, "PTR"): ("static.10.example.net",)}, "reverse", "fail", "static.10"),
        ({(REVERSE, "PTR"): (HELO, "b.example")}, "reverse", "warn", "b.example"),
        ({(HELO, "A"): ("192.0.2.9",)}, "reverse", "fail", f"but {HELO} is 192.0.2.9"),
        ({("_dmarc.example.org", "TXT"): ()}, "dmarc", "fail", "no policy"),
        (
            {("_dmarc.example.org", "TXT"): ("v=DMARC1; p=none", "v=DMARC1; p=reject")},
            "dmarc",
            "fail",
            "2 records",
        ),
        (
            {("_dmarc.example.org", "TXT"): ("v=DMARC1; p=reject; rua=mailto:a@else.example",)},
            "dmarc.reports",
            "warn",
            "else.example does not agree",
        ),
        (
            {("_dmarc.example.org", "TXT"): ("v=DMARC1; p=reject; rua=http://a@example.org",)},
            "dmarc.reports",
            "warn",
            "not a mailto",
        ),
        (
            {("_dmarc.example.org", "TXT"): ("v=DMARC1; p=reject; ruf=mailto:a@else.example",)},
            "dmarc.reports",
            "warn",
            "else.example does not agree",
        ),
        (
            {
                ("_dmarc.example.org", "TXT"): (
                    "v=DMARC1; p=reject; sp=x; rua=mailto:a@example.org",
                )
            },
            "dmarc.syntax",
            "warn",
            "sp=x: no such value",
        ),
        (
            {("_dmarc.example.org", "TXT"): ("v=DMARC1; p=reject; sp=x",)},
            "dmarc",
            "fail",
            "sp=x: no such value",
        ),
        (
            {("_dmarc.example.org", "TXT"): ("v=DMARC1; p=none; p=reject",)},
            "dmarc",
            "fail",
            "the tag p stands there twice",
        ),
        (
            {("_dmarc.example.org", "TXT"): ("v=DMARC1; p=reject; aspf=s",)},
            "dmarc.alignment",
            "warn",
            "psrp.example.org is not aligned",
        ),
    ],
)
def test_fault_is_reported(
    wanted: list[Record], changes: World, check: str, verdict: str, seen: str
) -> None:
    told = [f for f in faults(wanted, changes) if (f.check, f.verdict) == (check, verdict)]
    assert told, faults(wanted, changes)
    assert any(seen in finding.found for finding in told)
    assert all(finding.effect.endswith(".") for finding in told)


def test_published_key_must_match_the_private_key(wanted: list[Record]) -> None:
    from tests.unit.dns.test_dkim_dmarc import RSA

    (fault,) = faults(wanted, {(KEY, "TXT"): (RSA,)})
    assert (fault.verdict, fault.severity) == (Verdict.FAIL, Severity.REQUIRED)
    assert "not the one that is held" in fault.found


def test_remedy_keeps_other_senders_of_the_policy(wanted: list[Record]) -> None:
    (fault,) = faults(
        wanted,
        {("example.org", "TXT"): ("v=spf1 include:_spf.example.net -all",)}
        | {("_spf.example.net", "TXT"): ("v=spf1 ip4:198.51.100.0/24 -all",)},
    )
    merged = f"v=spf1 include:{SPF} a mx include:_spf.example.net -all"
    assert fault.remedy == (f'example.org. IN TXT "{merged}"',)


def test_void_lookups_before_the_include_are_reported_with_remedy(wanted: list[Record]) -> None:
    """Postal shows `a mx include:`. A domain with two MX hosts without IPv6 breaks on it."""
    world: World = {
        ("example.org", "TXT"): (f"v=spf1 a mx include:{SPF} ~all",),
        ("example.org", "A"): ("198.51.100.1",),
        ("example.org", "MX"): ("10 mx1.example.org", "20 mx2.example.org"),
        ("mx1.example.org", "A"): ("198.51.100.1",),
        ("mx2.example.org", "A"): ("198.51.100.2",),
    }
    (fault,) = faults(wanted, world)
    assert "2001:db8::10: permerror" in fault.found
    mended = f"v=spf1 include:{SPF} a mx ~all"
    assert fault.remedy == (f'example.org. IN TXT "{mended}"',)
    assert not faults(wanted, world | {("example.org", "TXT"): (mended,)})


def test_authorized_external_report_address_is_ok(wanted: list[Record]) -> None:
    assert not faults(
        wanted,
        {
            ("_dmarc.example.org", "TXT"): ("v=DMARC1; p=reject; rua=mailto:a@else.example",),
            ("example.org._report._dmarc.else.example", "TXT"): ("v=DMARC1;",),
        },
    )


def test_address_of_unused_family_is_reported() -> None:
    host = Record("a.example", "A", ("192.0.2.1",), "why", "otherwise", Severity.REQUIRED, "source")
    world: World = {("a.example", "A"): ("192.0.2.1",)}
    assert [finding.verdict for finding in findings([host], world)] == [Verdict.OK]
    (old,) = findings([host], world | {("a.example", "AAAA"): ("2001:db8::9",)})
    assert (old.verdict, old.found) == (Verdict.WARN, "192.0.2.1, 2001:db8::9")


def test_severity_and_verdict_decide_what_blocks() -> None:
    def finding(verdict: Verdict, severity: Severity) -> Finding:
        return Finding("x", "a", "A", verdict, severity, "", "", "")

    required = finding(Verdict.FAIL, Severity.REQUIRED)
    recommended = finding(Verdict.FAIL, Severity.RECOMMENDED)
    warning = finding(Verdict.WARN, Severity.RECOMMENDED)
    info = finding(Verdict.INFO, Severity.REQUIRED)
    each = (required, recommended, warning, info)
    assert [one.blocks(strict=False) for one in each] == [True, False, False, False]
    assert [one.blocks(strict=True) for one in each] == [True, True, True, False]


VALUES = {
    "TXT": st.one_of(
        st.text(st.characters(max_codepoint=255), max_size=30),
        st.sampled_from(["v=spf1 a -all", "v=DMARC1; p=none; rua=mailto:x@[", "v=DKIM1; p=AA=="]),
    ),
    "A": st.ip_addresses(v=4).map(str),
    "AAAA": st.ip_addresses(v=6).map(str),
    "MX": st.sampled_from(["0 .", "10 b.test", "10 192.0.2.1"]),
    "PTR": st.sampled_from(["a.test", HELO, "\\000.test"]),
    "CNAME": st.sampled_from(["a.test", TRACK]),
    "DS": st.just("1 13 2 00"),
    "TLSA": st.sampled_from(["3 1 1 00", "3 1 0 ", "2 0 1 00", "1 9 9 00"]),
    "STARTTLS": st.just("MAA="),
    "HTTPS": st.sampled_from(["text/plain", "version: STSv1\nmode: none\nmax_age: 1"]),
}


@pytest.fixture(scope="module")
def some_records() -> list[Record]:
    required = Severity.REQUIRED
    made = {
        (HELO, "A"): "192.0.2.10",
        (REVERSE, "PTR"): HELO,
        (SPF, "TXT"): "v=spf1 ip4:192.0.2.10 ~all",
        (KEY, "TXT"): "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        ("_dmarc.example.org", "TXT"): "v=DMARC1; p=none",
        (CLICK, "CNAME"): TRACK,
        (RP, "MX"): "10 mx.postal.example.com",
    }
    return [
        Record(name, kind, (value,), "why", "otherwise", required, "source")  # type: ignore[arg-type]
        for (name, kind), value in made.items()
    ]


@settings(max_examples=200)
@given(st.data())
def test_whatever_dns_says_there_are_findings(
    some_records: list[Record], data: st.DataObject
) -> None:
    def lookup(question: Question) -> Answer:
        status = data.draw(st.sampled_from(Status))
        size = {"min_size": 2, "max_size": 2} if question.type == "HTTPS" else {"max_size": 3}
        values = st.lists(VALUES[question.type], **{"min_size": 1, **size})
        found = tuple(data.draw(values)) if status is Status.OK else ()
        return Answer(question, status, found, secure=data.draw(st.booleans()))

    found = [finding for check in checks_of(some_records) for finding in run(check, lookup)]
    assert len(found) >= len(some_records)
