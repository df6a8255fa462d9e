"""CAA: which certificate authorities may issue certificates for a name (RFC 8659).

Before it issues a certificate, a CA looks for CAA records at the name and then at each parent, and
uses the first set it finds. If that set has `issue` values and none names the CA, it must refuse.
Without any CAA record every CA may issue. A wrong set therefore stops the renewal of the
certificates of Caddy and of the mail servers."""

from collections.abc import Sequence
from dataclasses import replace

from mailfleet.dns.finding import Finding, Verdict, of_record
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.resolve.answer import Lookups, Status, query


def check_caa(record: Record) -> Lookups[list[Finding]]:
    """The closest set of CAA records at the name or above names the CA, or there is none (RFC 8659
    section 3). Ours is a recommendation; a set that names others only stops certificates."""
    check = "caa"
    labels = record.name.split(".")
    for at in range(len(labels) - 1):
        place = ".".join(labels[at:])
        answer = yield from query(place, "CAA")
        if answer.failed and at:
            # An authoritative server says nothing about names above its own.
            break
        if answer.failed:
            shown = f"{place}: {answer.status}"
            effect = "A CA that gets no answer issues nothing: certificates are not renewed."
            return [of_record(record, check, Verdict.UNKNOWN, shown, effect=effect, remedy=())]
        if answer.status is Status.OK and answer.values:
            return [_evaluate(record, place, answer.values)]
    return [of_record(record, check, Verdict.FAIL, "no CAA records")]


def _evaluate(record: Record, place: str, published: Sequence[str]) -> Finding:
    shown = f"{', '.join(published)} at {place}"
    allowed, desired = _issuers(published), _issuers(record.values)
    if allowed is None or desired is None or allowed & desired:
        return of_record(record, "caa", Verdict.OK, shown)
    must = replace(record, severity=Severity.REQUIRED)
    effect = "The CA issues no certificate: web pages and STARTTLS fail when the present one ends."
    lines = record.lines if place == record.name else ()
    return of_record(must, "caa", Verdict.FAIL, shown, effect=effect, remedy=lines)


def _issuers(values: Sequence[str]) -> set[str] | None:
    """CAs that `issue` names; None where there is no such property, so that any may issue."""
    issuers = set()
    named = False
    for value in values:
        _, tag, text = value.split(" ", 2)
        if tag.lower() == "issue":
            named = True
            issuers.add(text.strip('"').partition(";")[0].strip().lower())
    return issuers - {""} if named else None
