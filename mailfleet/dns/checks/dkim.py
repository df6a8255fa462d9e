"""Check that the published DKIM key is the one that signs."""

import re

from mailfleet.dns.checks.names import missing_or_unknown
from mailfleet.dns.dkim import InvalidKeyRecordError, KeyRecord, parse_key
from mailfleet.dns.finding import Finding, Verdict, of_record
from mailfleet.dns.record import Record
from mailfleet.dns.resolve.answer import Answer, Lookups, query

_MIN_BITS, _GOOD_BITS = 1024, 2048


def check_key(record: Record) -> Lookups[list[Finding]]:
    """One record at the selector, usable, and with our key: compared as a number, so that another
    spelling of it is no fault (RFC 6376 section 3.6)."""
    check = "dkim"
    answer = yield from query(record.name, "TXT")
    if re.search(r"p=\s*\Z", record.values[0]):
        return [_revoked(record, answer)]
    if failed := missing_or_unknown(record, check, answer):
        return [failed]
    if len(answer.values) > 1:
        shown = f"{len(answer.values)} TXT records where one is allowed"
        effect = "Receivers may take the wrong one, and then the signature does not verify."
        source = "RFC 6376 section 3.6.2.2"
        return [of_record(record, check, Verdict.FAIL, shown, effect=effect, source=source)]
    held = parse_key(record.values[0])
    try:
        key = parse_key(answer.values[0])
    except InvalidKeyRecordError as error:
        return [of_record(record, check, Verdict.FAIL, str(error))]
    shown = f"{key.kind} key of {key.bits} bits"
    if key.number != held.number:
        return [of_record(record, check, Verdict.FAIL, f"{shown}, but not the one that is held")]
    return [*_usable(record, key), *_advice(record, key)] or [
        of_record(record, check, Verdict.OK, f"{shown}, the one that is held")
    ]


def _revoked(record: Record, answer: Answer) -> Finding:
    """A key that must not verify any more: `p=` is empty, or nothing is there."""
    for text in answer.values:
        try:
            key = parse_key(text)
        except InvalidKeyRecordError:
            continue
        shown = f"a {key.kind} key of {key.bits} bits, which is to be revoked"
        effect = "Anyone with the old key can still sign mail of this domain."
        return of_record(record, "dkim", Verdict.WARN, shown, effect=effect)
    verdict = Verdict.UNKNOWN if answer.failed else Verdict.OK
    return of_record(record, "dkim", verdict, answer.status.value, remedy=())


def _usable(record: Record, key: KeyRecord) -> list[Finding]:
    faults = {
        f"{key.bits} bits, receivers ask for {_MIN_BITS}": key.bits < _MIN_BITS
        and key.kind == "rsa",
        f"h={':'.join(key.hashes)} forbids sha256": bool(key.hashes) and "sha256" not in key.hashes,
        f"s={':'.join(key.services)} forbids e-mail": not {"*", "email"} & set(key.services),
    }
    return [
        of_record(
            record, "dkim.usable", Verdict.FAIL, fault, source="RFC 6376 section 3.6.1; RFC 8301"
        )
        for fault, holds in faults.items()
        if holds
    ]


def _advice(record: Record, key: KeyRecord) -> list[Finding]:
    findings = []
    if key.testing:
        effect = "Receivers treat the mail as if it had no signature."
        shown = "t=y, the key is under test"
        source = "RFC 6376 section 3.6.1"
        findings.append(
            of_record(record, "dkim.test", Verdict.WARN, shown, effect=effect, source=source)
        )
    if key.kind == "rsa" and _MIN_BITS <= key.bits < _GOOD_BITS:
        effect = "Mail passes for now; receivers are raising their requirements. Plan a new key."
        shown = f"{key.bits} bits, {_GOOD_BITS} are recommended"
        findings.append(
            of_record(
                record,
                "dkim.size",
                Verdict.WARN,
                shown,
                effect=effect,
                remedy=(),
                source="RFC 8301",
            )
        )
    return findings
