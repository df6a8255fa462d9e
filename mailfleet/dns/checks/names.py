"""Addresses, MX, CNAME and reverse DNS."""

from dataclasses import replace
from ipaddress import ip_address

from mailfleet.dns.checks.desired import DesiredRecords
from mailfleet.dns.finding import Finding, Verdict, of_record
from mailfleet.dns.record import Record
from mailfleet.dns.resolve.answer import Answer, Lookups, Question, Status, query, query_all
from mailfleet.dns.zone import address_of


def check_addresses(record: Record, desired: DesiredRecords) -> Lookups[list[Finding]]:
    """A and AAAA: exactly the desired addresses are published, also of the other family."""
    check = "address"
    answer = yield from query(record.name, record.type)
    if failed := missing_or_unknown(record, check, answer):
        return [failed]
    published = {str(ip_address(value)) for value in answer.values}
    shown = _shown(answer)
    if lacking := [value for value in record.values if value not in published]:
        return [of_record(record, check, Verdict.FAIL, f"{shown}; lacks {', '.join(lacking)}")]
    others = sorted(published - set(record.values))
    family = "AAAA" if record.type == "A" else "A"
    if not desired.lookup(Question(record.name, family)).values:
        unwanted = yield from query(record.name, family)
        others += unwanted.values
    if others:
        effect = f"Some connections go to {', '.join(others)}, which is no host of the fleet."
        shown = ", ".join([*record.values, *others])
        return [of_record(record, check, Verdict.WARN, shown, effect=effect)]
    return [of_record(record, check, Verdict.OK, shown)]


def check_mx(record: Record) -> Lookups[list[Finding]]:
    """MX: every wanted host is there, preferences aside; each is a name with an address, and no
    CNAME (RFC 2181 section 10.3)."""
    check = "mx"
    answer = yield from query(record.name, "MX")
    if failed := missing_or_unknown(record, check, answer):
        return [failed]
    shown = _shown(answer)
    hosts = [value.split(" ", 1)[1] for value in answer.values]
    expected = [value.split(" ", 1)[1] for value in record.values]
    if lacking := [host for host in expected if host not in hosts]:
        return [of_record(record, check, Verdict.FAIL, f"{shown}; lacks {', '.join(lacking)}")]
    if "." in hosts and len(hosts) > 1:
        effect = "Some senders see a domain that takes no mail, and bounce; others deliver."
        fault = f"{shown}: a null MX must be the only MX record"
        source = "RFC 7505 section 3"
        return [of_record(record, "mx.null", Verdict.FAIL, fault, effect=effect, source=source)]
    findings = []
    if others := [host for host in hosts if host not in expected]:
        effect = f"Part of this mail goes to {', '.join(others)}, which is no host of the fleet."
        findings.append(of_record(record, check, Verdict.WARN, shown, effect=effect))
    pairs = [(host, kind) for host in hosts if host != "." for kind in ("A", "AAAA")]
    answers = yield from query_all(*pairs)
    for at in range(0, len(answers), 2):
        if fault := _mx_host(pairs[at][0], answers[at : at + 2]):
            effect = f"Some senders give up on {pairs[at][0]} and their mail does not arrive."
            source = "RFC 5321 section 5.1; RFC 2181 section 10.3"
            findings.append(
                of_record(record, "mx.host", Verdict.FAIL, fault, effect=effect, source=source)
            )
    return findings or [of_record(record, check, Verdict.OK, shown)]


def _mx_host(host: str, answers: tuple[Answer, ...]) -> str:
    """What is wrong with a name that an MX record points to."""
    if _is_address(host):
        return f"{host} is an address where a name belongs"
    if any(answer.chain for answer in answers):
        return f"{host} is a CNAME of {next(a.chain[-1] for a in answers if a.chain)}"
    if not any(answer.values or answer.failed for answer in answers):
        return f"{host} has no address"
    return ""


def check_alias(record: Record) -> Lookups[list[Finding]]:
    """CNAME: there, or flattened by the DNS provider into the target's addresses."""
    check = "alias"
    (target,) = record.values
    answer = yield from query(record.name, "CNAME")
    if answer.values == (target,):
        return [of_record(record, check, Verdict.OK, target)]
    pairs = [(name, kind) for name in (record.name, target) for kind in ("A", "AAAA")]
    a, aaaa, target_a, target_aaaa = yield from query_all(*pairs)
    published = {*a.values, *aaaa.values}
    if not answer.values and published and published == {*target_a.values, *target_aaaa.values}:
        effect = (
            "Mail works, but Postal requires the CNAME itself and reports this name as invalid. "
            "Turn proxying or flattening of this name off at the DNS provider."
        )
        shown = f"no CNAME, but the addresses of {target}"
        return [of_record(record, check, Verdict.WARN, shown, effect=effect)]
    if failed := missing_or_unknown(record, check, answer, also=", ".join(sorted(published))):
        return [failed]
    return [of_record(record, check, Verdict.FAIL, _shown(answer))]


def check_reverse(record: Record) -> Lookups[list[Finding]]:
    """Forward-confirmed reverse DNS (RFC 8601 section 2.7.3): the address names the HELO name, and
    that name has the address."""
    check = "reverse"
    address = ip_address(address_of(record.name))
    answer = yield from query(record.name, "PTR")
    if failed := missing_or_unknown(record, check, answer):
        return [failed]
    shown = f"{address} is {_shown(answer)}"
    name = next((name for name in record.values if name in answer.values), None)
    if name is None:
        return [of_record(record, check, Verdict.FAIL, shown)]
    forward = yield from query(name, "A" if address.version == 4 else "AAAA")
    if str(address) not in forward.values:
        verdict = Verdict.UNKNOWN if forward.failed else Verdict.FAIL
        fault = f"{shown}, but {name} is {_shown(forward)}"
        line = f"{name}. IN {forward.question.type} {address}"
        return [replace(of_record(record, check, verdict, fault), remedy=(line,))]
    if len(answer.values) > 1:
        effect = "Some receivers check only one of the names, at random."
        return [of_record(record, check, Verdict.WARN, shown, effect=effect)]
    return [of_record(record, check, Verdict.OK, shown)]


def check_values(record: Record) -> Lookups[list[Finding]]:
    """The published values are exactly the desired ones."""
    check = record.type.lower()
    answer = yield from query(record.name, record.type)
    if failed := missing_or_unknown(record, check, answer):
        return [failed]
    verdict = Verdict.OK if set(answer.values) == set(record.values) else Verdict.FAIL
    return [of_record(record, check, verdict, _shown(answer))]


def missing_or_unknown(
    record: Record, check: str, answer: Answer, also: str = ""
) -> Finding | None:
    """The finding on an answer that has no values."""
    if answer.status is Status.OK and answer.values:
        return None
    found = answer.status.value + (f" ({also} instead)" if also else "")
    if answer.failed:
        effect = "Unknown: the DNS servers do not answer. As long as they do not, mail is deferred."
        return of_record(record, check, Verdict.UNKNOWN, found, effect=effect, remedy=())
    if answer.ttl:
        # RFC 2308: what was asked for too early stays missing for a while.
        found += f" (resolvers may cache this for up to {answer.ttl} s)"
    return of_record(record, check, Verdict.FAIL, found)


def _shown(answer: Answer) -> str:
    return ", ".join(answer.values) or answer.status.value


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
