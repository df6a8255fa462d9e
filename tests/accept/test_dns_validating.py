"""DNSSEC and DANE as a real validating resolver shows them: Unbound, before zones that Knot
signs."""

import asyncio
import hashlib
from collections.abc import Iterator

import dns.dnssec
import dns.name
import dns.query
import dns.rdata
import dns.tsig
import dns.update
import pytest

from mailfleet.dns.checks import checks_of
from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.resolve.probe import Probes
from mailfleet.dns.resolve.resolver import Limits, Resolver
from mailfleet.dns.resolve.server import Address
from tests.accept.knot import KEY, KEY_NAME, Knot, knot
from tests.accept.unbound import unbound
from tests.unit.dns.tls import Certified, certified, smtp

GOOD, BROKEN, PLAIN = "good.test", "broken.test", "plain.test"
DOMAINS = (GOOD, BROKEN, PLAIN)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certified(tmp_path_factory.mktemp("tls"), "mx")


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory, tls: Certified) -> Iterator[Address]:
    """Knows the key of the root. That one vouches for good.test and, with the digest of a key that
    is not there, for broken.test; plain.test is not signed."""
    digest = hashlib.sha256(tls.certificate).hexdigest()
    mail = f"""
@ MX 10 mx
@ MX 20 other
mx A 127.0.0.1
other A 127.0.0.1
_25._tcp.mx TLSA 3 0 1 {digest}
_25._tcp.other TLSA 3 0 1 {"00" * 32}
"""
    delegations = "".join(f"{name}. NS ns1.{name}.\nns1.{name}. A 127.0.0.1\n" for name in DOMAINS)
    zones = {".": delegations} | dict.fromkeys(DOMAINS, mail)
    directory = tmp_path_factory.mktemp("knot")
    with knot(directory, zones, signed=(".", GOOD, BROKEN)) as authority:
        _vouch(authority, GOOD, key_of=GOOD)
        _vouch(authority, BROKEN, key_of=GOOD)
        (key,) = authority.values(".", "DNSKEY")
        anchor = f". DNSKEY {key}"
        where = tmp_path_factory.mktemp("unbound")
        with unbound(where, authority, list(zones), anchor) as address:
            yield address


def _vouch(authority: Knot, zone: str, key_of: str) -> None:
    """Put a DS record for the zone into the root."""
    (text,) = authority.values(key_of, "DNSKEY")
    key = dns.rdata.from_text("IN", "DNSKEY", text)
    record = dns.dnssec.make_ds(dns.name.from_text(zone), key, "SHA256")
    update = dns.update.UpdateMessage(".", keyring=dns.tsig.Key(KEY_NAME, KEY, "hmac-sha256"))
    update.add(zone + ".", 300, record)
    done = dns.query.tcp(update, authority.address, port=authority.port, timeout=5)
    assert done.rcode() == 0


def _findings(server: Address, domain: str, tls: Certified) -> dict[tuple[str, str], Finding]:
    """Check and name -> what is found for the MX record of a domain."""
    hosts = (f"10 mx.{domain}", f"20 other.{domain}")
    record = Record(domain, "MX", hosts, "", "", Severity.REQUIRED, "")

    found: list[Finding] = []

    async def inside() -> None:
        async with smtp(tls) as port:
            asking = Resolver([server], Limits(rate=0), Probes(smtp_port=port))
            try:
                await asking.run_all(checks_of([record]), found.extend)
            finally:
                asking.close()

    asyncio.run(inside())
    return {(finding.check, finding.name): finding for finding in found}


def test_valid_signature_and_tlsa_record_are_ok(resolver: Address, tls: Certified) -> None:
    found = _findings(resolver, GOOD, tls)
    signed = found["dnssec", GOOD]
    assert (signed.verdict, signed.found) == (Verdict.OK, "signed, and the resolver validates it")
    assert found["dane", f"_25._tcp.mx.{GOOD}"].verdict is Verdict.OK
    wrong = found["dane", f"_25._tcp.other.{GOOD}"]
    assert wrong.verdict is Verdict.FAIL
    assert wrong.found == "no record matches the certificate on port 25"


def test_a_broken_chain_is_a_required_finding_and_no_dane(
    resolver: Address, tls: Certified
) -> None:
    found = _findings(resolver, BROKEN, tls)
    broken = found["dnssec", BROKEN]
    assert broken.verdict is Verdict.FAIL
    assert broken.blocks(strict=False)
    assert broken.found == "server failure, but an answer without validation"
    assert "Receivers that check signatures" in broken.effect
    assert not [check for check, _ in found if check == "dane"]


def test_tlsa_records_of_an_unsigned_domain_are_not_checked(
    resolver: Address, tls: Certified
) -> None:
    found = _findings(resolver, PLAIN, tls)
    assert (found["dnssec", PLAIN].verdict, found["dnssec", PLAIN].found) == (
        Verdict.OK,
        "not signed",
    )
    assert not [check for check, _ in found if check == "dane"]
