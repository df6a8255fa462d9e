"""CAA, blocklists and transport security: answers as the world gives them, and what is made of
them."""

from ipaddress import ip_address

import pytest

from mailfleet.dns.checks import checks_of
from mailfleet.dns.checks.blocklist import check_blocklist
from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.resolve.answer import Answer, Question, Status, run

World = dict[tuple[str, str], list[str] | Status]
CA = ('0 issue "letsencrypt.org"',)
ZEN = "zen.example"


def lookup(world: World, question: Question) -> Answer:
    there = world.get((question.name, question.type), Status.NXDOMAIN)
    if isinstance(there, Status):
        return Answer(question, there)
    return Answer(question, Status.OK, tuple(there))


def record(name: str, kind: str, *values: str) -> Record:
    severity = Severity.RECOMMENDED
    return Record(name, kind, values, "why", "otherwise", severity, "source")  # type: ignore[arg-type]


def finding(wanted: Record, world: World) -> Finding:
    (check,) = checks_of([wanted])
    (found,) = run(check, lambda question: lookup(world, question))
    return found


@pytest.mark.parametrize(
    ("world", "verdict", "severity"),
    [
        ({}, Verdict.FAIL, Severity.RECOMMENDED),
        ({("a.example.com", "CAA"): list(CA)}, Verdict.OK, Severity.RECOMMENDED),
        ({("example.com", "CAA"): ['0 issue "letsencrypt.org; x=y"']}, Verdict.OK, None),
        ({("example.com", "CAA"): ['0 issue "other.example"']}, Verdict.FAIL, Severity.REQUIRED),
        ({("example.com", "CAA"): ['0 issue ";"']}, Verdict.FAIL, Severity.REQUIRED),
        ({("example.com", "CAA"): ['0 iodef "mailto:a@example.com"']}, Verdict.OK, None),
        # The closest set decides.
        (
            {("a.example.com", "CAA"): list(CA), ("example.com", "CAA"): ['0 issue ";"']},
            Verdict.OK,
            None,
        ),
        ({("a.example.com", "CAA"): Status.SERVFAIL}, Verdict.UNKNOWN, Severity.RECOMMENDED),
    ],
)
def test_caa_stops_a_gate_only_where_it_stops_the_ca(
    world: World, verdict: Verdict, severity: Severity | None
) -> None:
    found = finding(record("a.example.com", "CAA", *CA), world)
    assert found.verdict is verdict
    assert severity in (None, found.severity)


GOOD_LIST: World = {(f"2.0.0.127.{ZEN}", "A"): ["127.0.0.2", "127.0.0.10"]}


@pytest.mark.parametrize(
    ("world", "verdict", "seen"),
    [
        (GOOD_LIST, Verdict.OK, "192.0.2.10 is not listed"),
        (
            {
                **GOOD_LIST,
                (f"10.2.0.192.{ZEN}", "A"): ["127.0.0.3"],
                (f"10.2.0.192.{ZEN}", "TXT"): ["https://list.example/192.0.2.10"],
            },
            Verdict.FAIL,
            "192.0.2.10 is listed: 127.0.0.3, https://list.example/192.0.2.10",
        ),
        (
            {(f"2.0.0.127.{ZEN}", "A"): ["127.255.255.254"]},
            Verdict.INFO,
            "127.255.255.254: it refuses public resolvers",
        ),
        (
            {**GOOD_LIST, (f"10.2.0.192.{ZEN}", "A"): ["127.255.255.255"]},
            Verdict.INFO,
            "127.255.255.255: it received too many queries",
        ),
        ({}, Verdict.INFO, "127.0.0.2 is not on it"),
        (
            {**GOOD_LIST, (f"1.0.0.127.{ZEN}", "A"): ["127.0.0.2"]},
            Verdict.INFO,
            "lists every address",
        ),
        # A resolver that answers every name with an advertisement, and a list that was sold.
        (
            {(f"2.0.0.127.{ZEN}", "A"): ["198.51.100.7"]},
            Verdict.INFO,
            "198.51.100.7 is not a listing",
        ),
        ({(f"2.0.0.127.{ZEN}", "A"): Status.TIMEOUT}, Verdict.INFO, "no answer in time"),
    ],
)
def test_blocklist_is_used_only_if_its_test_entries_are_correct(
    world: World, verdict: Verdict, seen: str
) -> None:
    check = check_blocklist(ip_address("192.0.2.10"), ZEN)
    (found,) = run(check, lambda question: lookup(world, question))
    assert found.verdict is verdict
    assert seen in found.found


def test_an_ipv6_address_is_looked_up_by_nibbles() -> None:
    address = ip_address("2001:db8::10")
    name = f"0.1{'.0' * 22}.8.b.d.0.1.0.0.2.{ZEN}"
    world: World = {**GOOD_LIST, (name, "A"): ["127.0.0.2"]}
    (found,) = run(check_blocklist(address, ZEN), lambda question: lookup(world, question))
    assert found.verdict is Verdict.FAIL


STS = record("_mta-sts.example.com", "TXT", "v=STSv1; id=20260101")
TLS = record("_smtp._tls.example.com", "TXT", "v=TLSRPTv1; rua=mailto:tls@example.com")


@pytest.mark.parametrize(
    ("wanted", "texts", "verdict"),
    [
        (STS, ["v=STSv1;id=20260101;", "another text"], Verdict.OK),
        (STS, ["v=STSv1; id=20250101"], Verdict.FAIL),
        (STS, ["v=STSv1"], Verdict.FAIL),
        (STS, ["v=STSv1; id=a-b"], Verdict.FAIL),
        (STS, ["v=STSv1; id=20260101", "v=STSv1; id=20260102"], Verdict.FAIL),
        (TLS, ["v=TLSRPTv1; rua=https://reports.example/"], Verdict.OK),
        (TLS, ["v=TLSRPTv1; rua=ftp://reports.example/"], Verdict.FAIL),
        (TLS, ["v=TLSRPTv1"], Verdict.FAIL),
        (TLS, ["v=TLSRPTv1; rua=Mailto:a@b.example; rua=mailto:c@b.example"], Verdict.OK),
        (TLS, ["v=TLSRPTv1; rua=mailto:a@b.example , https://b.example/x;"], Verdict.OK),
        (TLS, ["v=TLSRPTv1; rua=mailto:"], Verdict.FAIL),
        (TLS, ["v=TLSRPTv1; rua=mailto:a@b..example"], Verdict.FAIL),
        (TLS, ["v=TLSRPTv1; rua = mailto:a@b.example"], Verdict.FAIL),
        (STS, ["v=STSv1; id = 20260101"], Verdict.FAIL),
        (STS, ["v=STSv1; id=20260101; x=y=z"], Verdict.FAIL),
        (STS, ["v=STSv1; id=20260101; x=y"], Verdict.OK),
    ],
)
def test_mta_sts_and_tls_reports(wanted: Record, texts: list[str], verdict: Verdict) -> None:
    assert finding(wanted, {(wanted.name, "TXT"): texts}).verdict is verdict
