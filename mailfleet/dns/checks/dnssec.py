"""DNSSEC (RFC 4035) and DANE for SMTP (RFC 7672).

In a signed zone every record set has a signature, and the parent zone vouches for its key by a DS
record. A validating resolver verifies this chain and sets the bit AD in its response; if a
signature is wrong it answers SERVFAIL, and the domain is unreachable. DANE builds on this: a TLSA
record at _25._tcp.HOST names the certificate that senders must see after STARTTLS."""

import base64
import hashlib
from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate

from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.resolve.answer import Lookups, Status, probe, query, query_unchecked

_BROKEN = "Receivers that check signatures, Google among them, see no record of this domain at all."


def check_dnssec(domain: str, kind: str) -> Lookups[list[Finding]]:
    """Whether what the domain says is signed, and the signatures hold. One record of the domain is
    looked at; the resolver does the checking."""
    answer = yield from query(domain, kind)
    if answer.secure:
        return [_finding(domain, kind, Verdict.OK, "signed, and the resolver validates it")]
    if answer.status is Status.SERVFAIL:
        unchecked = yield from query_unchecked(domain, kind)
        if unchecked.failed:
            return []
        shown = "server failure, but an answer without validation"
        return [_finding(domain, kind, Verdict.FAIL, shown, _BROKEN)]
    signed = yield from query(domain, "DS")
    if answer.failed or signed.failed:
        return []
    if not signed.values:
        return [_finding(domain, kind, Verdict.OK, "not signed")]
    effect = "Unknown. Query a resolver that validates signatures (--server)."
    shown = "signed, but this server does not validate signatures"
    return [_finding(domain, kind, Verdict.INFO, shown, effect)]


def check_dane(record: Record) -> Lookups[list[Finding]]:
    """TLSA records of the MX hosts of a signed domain: each host shows a certificate that one of
    its records names. Elsewhere senders do not look for them (RFC 7672 section 2.2.1)."""
    answer = yield from query(record.name, "MX")
    if not answer.secure:
        return []
    findings = []
    for host in dict.fromkeys(value.split(" ", 1)[1] for value in answer.values):
        tlsa = yield from query(f"_25._tcp.{host}", "TLSA")
        if tlsa.secure and tlsa.values:
            shown = yield from probe(host, "STARTTLS")
            reason = ", ".join(shown.values) or shown.status.value
            if shown.status is not Status.OK:
                findings.append(_dane(host, Verdict.INFO, f"port 25: {shown.status}: {reason}"))
            else:
                findings.append(_compared(host, tlsa.values, base64.b64decode(shown.values[0])))
    return findings


def _compared(host: str, records: tuple[str, ...], certificate: bytes) -> Finding:
    usages = {record.split(" ", 1)[0] for record in records}
    if not usages & {"2", "3"}:
        # RFC 7672 section 3.1.3: such records are unusable for SMTP.
        return _dane(host, Verdict.FAIL, f"usage {', '.join(sorted(usages))}, not 3 or 2")
    if any(_matches(record, certificate) for record in records):
        return _dane(host, Verdict.OK, "a record matches the certificate on port 25")
    if "2" in usages:
        return _dane(host, Verdict.INFO, "usage 2 names an issuer, which is not checked")
    return _dane(host, Verdict.FAIL, "no record matches the certificate on port 25")


_HASHES: dict[str, Callable[[bytes], bytes]] = {
    "0": lambda data: data,
    "1": lambda data: hashlib.sha256(data).digest(),
    "2": lambda data: hashlib.sha512(data).digest(),
}
"""Matching type -> what is compared (RFC 6698 section 2.1.3)."""


def _matches(record: str, certificate: bytes) -> bool:
    usage, selector, matching, data = record.split(" ", 3)
    if usage != "3" or selector not in "01" or matching not in _HASHES:
        return False
    compared = certificate
    if selector == "1":
        try:
            key = load_der_x509_certificate(certificate).public_key()
        except (ValueError, UnsupportedAlgorithm):
            return False
        compared = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _HASHES[matching](compared).hex() == data.lower()


def _finding(domain: str, kind: str, verdict: Verdict, found: str, effect: str = "") -> Finding:
    severity = Severity.REQUIRED if verdict is Verdict.FAIL else Severity.RECOMMENDED
    expected = "no signatures, or valid ones"
    return Finding(
        "dnssec", domain, kind, verdict, severity, found, expected, "RFC 4035 section 5", effect
    )


def _dane(host: str, verdict: Verdict, found: str) -> Finding:
    failed = verdict is Verdict.FAIL
    effect = {
        Verdict.FAIL: "Senders that use DANE do not deliver to this host.",
        Verdict.INFO: "Unknown.",
    }
    return Finding(
        "dane",
        f"_25._tcp.{host}",
        "TLSA",
        verdict,
        Severity.REQUIRED if failed else Severity.RECOMMENDED,
        found,
        "a record matches the certificate on port 25",
        "RFC 7672 section 2.2",
        effect.get(verdict, ""),
    )
