"""Records of the domains that mail is sent from, whoever sends it."""

from collections.abc import Iterator

from mailfleet.dns.dkim import InvalidKeyRecordError, parse_key
from mailfleet.dns.record import Record, RecordType, Severity
from mailfleet.dns.settings import DnsSettings, Sender
from mailfleet.fleet.errors import Problem, SettingsError
from mailfleet.fleet.fleet import Fleet


def sender_records(fleet: Fleet) -> list[Record]:
    """What the services of `dns_senders` need, and the policies of `dns_dmarc`. `merge` makes one
    SPF record of all senders of a domain. Raises SettingsError."""
    return [
        *(record for sender in fleet[DnsSettings].senders for record in _records(fleet, sender)),
        *(dmarc_record(fleet, domain) for domain in fleet[DnsSettings].dmarc),
    ]


def dmarc_record(fleet: Fleet, domain: str) -> Record:
    """The DMARC policy of a domain that sends."""
    return Record(
        f"_dmarc.{domain}",
        "TXT",
        (fleet[DnsSettings].dmarc.get(domain, "v=DMARC1; p=none"),),
        "Google, Yahoo and Microsoft refuse bulk mail of a domain without a DMARC policy",
        "Google, Yahoo and Microsoft refuse this domain's mail once there is much of it.",
        Severity.REQUIRED,
        "RFC 9989; Google, Email sender guidelines",
    )


def _records(fleet: Fleet, sender: Sender) -> Iterator[Record]:
    domain = sender.domain
    if sender.include:
        yield _record(
            domain,
            "TXT",
            f"v=spf1 include:{sender.include} ~all",
            f"lets receivers accept mail of this domain from {sender.include}",
            "Receivers put this domain's mail from that service into spam or refuse it.",
            "RFC 7208; the manual of that service",
        )
    for selector, key in sender.dkim.items():
        if "p=" in key:
            _check_key(domain, selector, key)
        yield _record(
            f"{selector}._domainkey.{domain}",
            "TXT" if "p=" in key else "CNAME",
            key,
            "DKIM key of a service that sends this domain's mail",
            "The signature of that mail cannot be verified, and much of it ends in spam.",
            "RFC 6376 section 3.6; the manual of that service",
        )
    for name, target in sender.aliases.items():
        yield _record(
            f"{name}.{domain}",
            "CNAME",
            target,
            "a name of this domain for a service that sends its mail, such as a return path",
            "That service does not use the name, and its mail may not be aligned for DMARC.",
            "the manual of that service",
        )
    yield dmarc_record(fleet, domain)


def _check_key(domain: str, selector: str, key: str) -> None:
    try:
        parse_key(key)
    except InvalidKeyRecordError as error:
        where = f"Sender of {domain}: dkim {selector}: {error}; copy the record once more"
        raise SettingsError([Problem("dns_senders", "", where)]) from None


def _record(
    name: str, kind: RecordType, value: str, why: str, otherwise: str, source: str
) -> Record:
    return Record(name, kind, (value,), why, otherwise, Severity.REQUIRED, source)
