"""Checks of whole domains: MTA-STS policy, DNSSEC, DANE, BIMI, Postmark, unused domains, and the
rules for bulk mail."""

import asyncio
import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace

import dns.flags
import dns.message
import dns.rcode
import pytest

from mailfleet.components.caddy import bundle as caddy
from mailfleet.deploying.records import desired_records
from mailfleet.dns.checks import checks_of
from mailfleet.dns.checks.bulk import bulk_findings
from mailfleet.dns.checks.dnssec import check_dane, check_dnssec
from mailfleet.dns.desired.domains import sts_policy
from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.resolve.answer import Answer, Question, Status, run
from mailfleet.dns.resolve.resolver import Limits, Resolver
from mailfleet.dns.sts import InvalidPolicyError, StsPolicy, parse_policy, url_of
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.fleet import Fleet
from tests.unit.dns.servers import Zone, serving, zone_handler
from tests.unit.dns.tls import certified

World = dict[tuple[str, str], tuple[str, ...] | Status]
MakeFleet = Callable[..., Fleet]


def lookup_in(world: World, secure: bool = False) -> Callable[[Question], Answer]:
    def lookup(question: Question) -> Answer:
        there = world.get((question.name, question.type), Status.NXDOMAIN)
        if isinstance(there, Status):
            return Answer(question, there, secure=secure)
        return Answer(question, Status.OK, there, secure=secure)

    return lookup


def record(name: str, kind: str, *values: str) -> Record:
    severity = Severity.REQUIRED
    return Record(name, kind, values, "why", "otherwise.", severity, "source")  # type: ignore[arg-type]


def findings(records: list[Record], world: World) -> dict[str, Finding]:
    """By check; of several the last."""
    found = [one for check in checks_of(records) for one in run(check, lookup_in(world))]
    return {one.check: one for one in found}


MX = record("example.com", "MX", "10 mx1.example.com")
STS_WORLD: World = {
    ("example.com", "MX"): ("10 mx1.example.com",),
    ("mx1.example.com", "A"): ("192.0.2.1",),
    ("_mta-sts.example.com", "TXT"): ("v=STSv1; id=1",),
}
POLICY = "version: STSv1\r\nmode: enforce\r\nmx: mx1.example.com\r\nmax_age: 604800\r\n"


@pytest.mark.parametrize(
    ("there", "verdict", "seen"),
    [
        (("text/plain; charset=utf-8", POLICY), Verdict.OK, "mode enforce"),
        (("text/plain", POLICY.replace("mx1.", "*.").replace("\r", "")), Verdict.OK, "enforce"),
        (("text/plain", POLICY.replace("mx1.example.com", "*.com")), Verdict.FAIL, "not cover mx1"),
        (("text/plain", POLICY.replace("mx1", "mx2")), Verdict.FAIL, "does not cover mx1"),
        (("text/html", POLICY), Verdict.FAIL, "content type text/html"),
        (("text/plain", "<html>"), Verdict.FAIL, "not a line"),
        (("text/plain", POLICY.replace("enforce", "on")), Verdict.FAIL, "mode is none of"),
        (("text/plain", POLICY.replace("604800", "99999999999")), Verdict.FAIL, "max_age"),
        (("text/plain", POLICY.replace("604800", "60")), Verdict.WARN, "max_age 60 s"),
        (("text/plain", POLICY.replace("enforce", "testing")), Verdict.INFO, "mode testing"),
        (Status.UNREACHABLE, Verdict.FAIL, "server not reachable"),
        (Status.TIMEOUT, Verdict.UNKNOWN, "no answer in time"),
    ],
)
def test_the_policy_of_mta_sts(
    there: tuple[str, ...] | Status, verdict: Verdict, seen: str
) -> None:
    world = {**STS_WORLD, (url_of("example.com"), "HTTPS"): there}
    found = findings([MX], world)["mta-sts.policy"]
    assert (found.verdict, seen in found.found) == (verdict, True), found
    # A gate closes only where mail is lost: on a host that an enforced policy leaves out.
    blocks = verdict is Verdict.FAIL and "cover" in seen
    assert found.blocks(strict=False) is blocks


def test_a_domain_without_mta_sts_is_not_asked_for_a_policy() -> None:
    assert "mta-sts.policy" not in findings([MX], {("example.com", "MX"): ("10 mx1.example.com",)})


def test_a_policy_is_written_as_it_is_read() -> None:
    policy = StsPolicy("enforce", 604800, ("mx1.example.com", "*.example.net"))
    assert parse_policy(policy.text) == policy
    assert policy.id != StsPolicy("testing", 604800, policy.mx).id
    assert [policy.covers(f"{name}.example.net") for name in ("a", "a.b")] == [True, False]
    for text in ("", "version: STSv1", "version: STSv2\nmode: none\nmax_age: 1", "x" * 99):
        with pytest.raises(InvalidPolicyError):
            parse_policy(text)


def test_settings_of_mta_sts_unused_domains_and_logos_become_records(
    postal_fleet: MakeFleet,
) -> None:
    fleet = postal_fleet(
        "from mailfleet.dns.settings import MtaSts\n"
        'dns_mta_sts = {"rp.postal.example.com": MtaSts(mode="enforce", host="www.example.com", '
        'reports="tls@example.com")}\n'
        'dns_unused_domains = ["example.net"]\n'
        'dns_bimi = {"example.org": "v=BIMI1; l=https://example.org/logo.svg"}\n'
    )
    records = {(one.name, one.type): one.values for one in desired_records(fleet)}
    policy = StsPolicy("enforce", 604800, ("mx.postal.example.com",))
    assert records["_mta-sts.rp.postal.example.com", "TXT"] == (f"v=STSv1; id={policy.id}",)
    assert records["mta-sts.rp.postal.example.com", "CNAME"] == ("www.example.com",)
    assert records["_smtp._tls.rp.postal.example.com", "TXT"] == (
        "v=TLSRPTv1; rua=mailto:tls@example.com",
    )
    assert records["example.net", "MX"] == ("0 .",)
    assert records["example.net", "TXT"] == ("v=spf1 -all",)
    assert records["_dmarc.example.net", "TXT"] == ("v=DMARC1; p=reject",)
    assert records["default._bimi.example.org", "TXT"] == (
        "v=BIMI1; l=https://example.org/logo.svg",
    )


def test_a_policy_that_a_host_serves_is_found_at_that_host(postal_fleet: MakeFleet) -> None:
    fleet = postal_fleet(
        "from mailfleet.dns.settings import MtaSts\n"
        'dns_mta_sts = {"rp.postal.example.com": MtaSts(served_by="postal1")}\n'
    )
    records = {(one.name, one.type): one.values for one in desired_records(fleet)}
    name = "mta-sts.rp.postal.example.com"
    assert records[name, "A"] == ("192.0.2.10",)
    assert records[name, "AAAA"] == ("2001:db8::10",)
    assert records[name, "CAA"] == ('0 issue "letsencrypt.org"', '0 issue "sectigo.com"')
    policy = sts_policy(fleet, "rp.postal.example.com")
    (file,) = (
        file
        for file in caddy.bundle(fleet, fleet.hosts["postal1"]).files
        if file.path.endswith(f"/{name}.txt")
    )
    assert file.content.decode() == policy.text
    announced = records["_mta-sts.rp.postal.example.com", "TXT"]
    assert announced == (f"v=STSv1; id={policy.id}",)
    assert policy.id != replace(policy, mode="enforce").id


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (
            '"rp.postal.example.com": MtaSts(served_by="mx1")',
            'served_by = "mx1" is no host with the role caddy: name one of postal1',
        ),
        (
            '"example.net": MtaSts()',
            "example.net has no MX host in this fleet: set more_mx to its MX hosts",
        ),
        (
            '"example.net": dict(served_by="postal1", host="www.example.com")',
            "give served_by (a Caddy of the fleet) or host (another web server), not both",
        ),
    ],
)
def test_unusable_mta_sts_policy_is_a_settings_error(
    postal_fleet: MakeFleet, policy: str, told: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        postal_fleet(f"from mailfleet.dns.settings import MtaSts\ndns_mta_sts = {{{policy}}}\n")
    assert told in str(refused.value)
    assert "dns_mta_sts" in str(refused.value)


UNUSED = [
    record("example.net", "MX", "0 ."),
    record("example.net", "TXT", "v=spf1 -all"),
    record("_dmarc.example.net", "TXT", "v=DMARC1; p=reject; rua=mailto:a@example.net"),
]


def test_an_unused_domain_must_refuse_everyone() -> None:
    world: World = {(one.name, one.type): one.values for one in UNUSED}
    assert {one.verdict for one in findings(UNUSED, world).values()} == {Verdict.OK}
    world["example.net", "TXT"] = ("v=spf1 a mx ~all",)
    world["_dmarc.example.net", "TXT"] = ("v=DMARC1; p=none; rua=mailto:a@example.net",)
    world["example.net", "MX"] = ("10 old.example.net",)
    found = findings(UNUSED, world)
    assert found["spf.nobody"].verdict is Verdict.FAIL
    assert found["dmarc.weaker"].verdict is Verdict.WARN
    assert found["mx"].verdict is Verdict.FAIL


def test_dnssec_verdict_follows_the_resolver() -> None:
    def look(secure: bool, world: World) -> list[Finding]:
        return run(check_dnssec("example.com", "MX"), lookup_in(world, secure))

    good: World = {("example.com", "MX"): ("10 mx1.example.com",)}
    signed: World = {("example.com", "DS"): ("1 13 2 00",)}
    assert look(True, good)[0].found.startswith("signed, and")
    assert look(False, good)[0].found == "not signed"
    assert look(False, good | signed)[0].verdict is Verdict.INFO
    assert look(False, {("example.com", "MX"): Status.TIMEOUT}) == []


def test_broken_signatures_differ_from_a_broken_server() -> None:
    """The flags go over the wire: a resolver answers SERVFAIL, but not with CD."""
    zone: Zone = {("example.com", "MX"): ["10 mx1.example.com."]}

    def validating(query: dns.message.Message, transport: str) -> list[bytes]:
        assert query.flags & dns.flags.AD
        if query.flags & dns.flags.CD:
            return zone_handler(zone)(query, transport)
        answer = dns.message.make_response(query)
        answer.set_rcode(dns.rcode.SERVFAIL)
        return [answer.to_wire()]

    def signed(query: dns.message.Message, transport: str) -> list[bytes]:
        answer = dns.message.from_wire(zone_handler(zone)(query, transport)[0])
        answer.flags |= dns.flags.AD
        return [answer.to_wire()]

    async def look(
        handler: Callable[[dns.message.Message, str], list[bytes]],
    ) -> list[Finding]:
        async with serving(handler) as address:
            resolver = Resolver([address], Limits(seconds=30, rate=0))
            try:
                return await resolver.run(check_dnssec("example.com", "MX"))
            finally:
                resolver.close()

    (bogus,) = asyncio.run(look(validating))
    assert (bogus.verdict, bogus.severity) == (Verdict.FAIL, Severity.REQUIRED)
    (good,) = asyncio.run(look(signed))
    assert good.verdict is Verdict.OK


def test_dane_compares_the_certificate_that_is_shown(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    certificate = certified(tmp_path_factory.mktemp("dane"), "mx1.example.com").certificate
    digest = hashlib.sha256(certificate).hexdigest()

    def look(secure: bool, *records: str, shown: tuple[str, ...] | Status) -> list[Finding]:
        world: World = {
            ("example.com", "MX"): ("10 mx1.example.com",),
            ("_25._tcp.mx1.example.com", "TLSA"): records,
            ("mx1.example.com", "STARTTLS"): shown,
        }
        return run(check_dane(MX), lookup_in(world, secure))

    shown = (base64.b64encode(certificate).decode(),)
    assert look(False, f"3 0 1 {digest}", shown=shown) == []
    assert look(True, f"3 0 1 {digest}", "3 1 1 00", shown=shown)[0].verdict is Verdict.OK
    assert look(True, f"3 0 0 {certificate.hex()}", shown=shown)[0].verdict is Verdict.OK
    wrong = look(True, "3 1 1 " + "00" * 32, shown=shown)[0]
    assert (wrong.verdict, wrong.blocks(strict=False)) == (Verdict.FAIL, True)
    assert "usage 1" in look(True, f"1 0 1 {digest}", shown=shown)[0].found
    assert look(True, f"3 0 1 {digest}", shown=Status.UNREACHABLE)[0].verdict is Verdict.INFO


LOGO_URL = "https://example.org/logo.svg"
BIMI = record("default._bimi.example.org", "TXT", f"v=BIMI1; l={LOGO_URL}; a=https://x.example/p")
LOGO = '<svg version="1.2" baseProfile="tiny-ps"><title>x</title></svg>'
BIMI_WORLD: World = {
    (BIMI.name, "TXT"): BIMI.values,
    ("_dmarc.example.org", "TXT"): ("v=DMARC1; p=reject",),
    (LOGO_URL, "HTTPS"): ("image/svg+xml", LOGO),
}


@pytest.mark.parametrize(
    ("changes", "verdict", "seen"),
    [
        ({}, Verdict.OK, LOGO_URL),
        ({(BIMI.name, "TXT"): ("v=BIMI1; l=; a=;",)}, Verdict.FAIL, "l=;"),
        ({(BIMI.name, "TXT"): ("v=spf1 -all",)}, Verdict.FAIL, "0 records"),
        ({("_dmarc.example.org", "TXT"): ("v=DMARC1; p=none",)}, Verdict.WARN, "not enforced"),
        ({(LOGO_URL, "HTTPS"): Status.TIMEOUT}, Verdict.WARN, "no answer in time"),
        ({(LOGO_URL, "HTTPS"): ("text/html", LOGO)}, Verdict.WARN, "content type"),
        ({(LOGO_URL, "HTTPS"): ("image/svg+xml", "<svg/>")}, Verdict.WARN, "Tiny PS"),
    ],
)
def test_bimi(changes: World, verdict: Verdict, seen: str) -> None:
    found = findings([BIMI], {**BIMI_WORLD, **changes})["bimi"]
    assert (found.verdict, seen in found.found) == (verdict, True), found


POSTMARK = """
from mailfleet.dns.settings import Sender
dns_senders = [Sender(domain="example.org", include="spf.mtasv.net",
    dkim={"20260101pm": "k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
    aliases={"pm-bounces": "pm.mtasv.net"})]
dns_dmarc = {"example.org": "v=DMARC1; p=reject; rua=mailto:a@example.org"}
"""


def sender_world(records: list[Record]) -> World:
    world: World = {(one.name, one.type): one.values for one in records}
    world["spf.mtasv.net", "TXT"] = ("v=spf1 ip4:198.51.100.0/24 ~all",)
    return world


def test_postmark_shows_three_statuses(postal_fleet: MakeFleet) -> None:
    records = desired_records(postal_fleet(POSTMARK))
    statuses = ["postmark.dkim", "postmark.return-path", "postmark.spf"]
    world = sender_world(records)
    found = findings(records, world)
    assert [found[check].verdict for check in statuses] == [Verdict.OK] * 3
    world["example.org", "TXT"] = ("v=spf1 -all",)
    del world["pm-bounces.example.org", "CNAME"]
    del world["20260101pm._domainkey.example.org", "TXT"]
    found = findings(records, world)
    assert [found[check].verdict for check in statuses] == [Verdict.WARN] * 3


def test_rules_for_bulk_mail_name_what_is_missing(postal_fleet: MakeFleet) -> None:
    records = desired_records(postal_fleet(POSTMARK + 'postal_sending_domains = ["example.com"]\n'))

    def bulk(world: World) -> dict[tuple[str, str], Finding]:
        found = [one for check in checks_of(records) for one in run(check, lookup_in(world))]
        return {(one.name, one.check): one for one in bulk_findings(records, found)}

    good = bulk(sender_world(records))
    assert {domain for domain, _ in good} == {"example.org", "example.com"}
    assert good["example.org", "bulk.google"].verdict is Verdict.OK
    # Postal holds that key.
    assert good["example.com", "bulk.google"].verdict is Verdict.INFO
    world = sender_world(records)
    del world["10.2.0.192.in-addr.arpa", "PTR"]
    bad = bulk(world)
    assert bad["example.org", "bulk.google"].found.startswith("reverse DNS missing")
    assert bad["example.org", "bulk.microsoft"].verdict is Verdict.OK
    del world["_dmarc.example.org", "TXT"]
    outlook = bulk(world)["example.org", "bulk.microsoft"]
    assert (outlook.verdict, "550 5.7.515" in outlook.effect) == (Verdict.FAIL, True)
