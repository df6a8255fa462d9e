"""DNS records of the mailserver: its name, the domains it takes mail for, those that send."""

from collections.abc import Iterator

from mailfleet.components.mailserver.settings import MailserverSettings
from mailfleet.dns.desired.hosts import address_records, addresses
from mailfleet.dns.desired.keys import key_record
from mailfleet.dns.desired.senders import dmarc_record
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.settings import DnsSettings
from mailfleet.fleet.fleet import Fleet, Host

_REQUIRED, _RECOMMENDED = Severity.REQUIRED, Severity.RECOMMENDED


def records(fleet: Fleet) -> list[Record]:
    """What every mailserver of the fleet needs. Raises SettingsError and SecretsError."""
    hosts = fleet.with_role("mailserver")
    parts = [
        part
        for host in hosts
        for part in (_name(fleet, host), _incoming(host), _sending(fleet, host))
    ]
    return [record for part in (*parts, _submission(fleet)) for record in part]


def _name(fleet: Fleet, host: Host) -> Iterator[Record]:
    name = host[MailserverSettings].hostname
    yield from address_records(
        fleet,
        name,
        [host],
        why="mail arrives here, and applications submit here",
        otherwise="Mail to the domains of the mailserver does not arrive.",
        severity=_REQUIRED,
        source="RFC 5321 section 5.1",
    )
    yield Record(
        name,
        "TXT",
        ("v=spf1 a -all",),
        "SPF of the HELO name, which is what receivers check on bounces",
        "Bounces and other mail with an empty envelope sender count as unauthenticated.",
        _RECOMMENDED,
        "RFC 7208 sections 2.3 and 2.4",
    )
    for address in addresses(host):
        yield Record(
            address.reverse_pointer,
            "PTR",
            (name,),
            "a sending address must name the HELO name; set it where the address is rented",
            "Google and many others refuse mail from this address.",
            _REQUIRED,
            "RFC 8601 section 2.7.3; Google, Email sender guidelines",
        )


def _incoming(host: Host) -> Iterator[Record]:
    settings = host[MailserverSettings]
    for domain in settings.domains:
        yield Record(
            domain,
            "MX",
            (f"10 {settings.hostname}",),
            "mail to aliases of this domain arrives at the mailserver",
            "Mail to this domain does not arrive.",
            _REQUIRED,
            "RFC 5321 section 5.1",
        )


def _sending(fleet: Fleet, host: Host) -> Iterator[Record]:
    settings = host[MailserverSettings]
    for domain in settings.sending_domains:
        if settings.relay_host is None:
            yield Record(
                domain,
                "TXT",
                (f"v=spf1 a:{settings.hostname} ~all",),
                "lets receivers accept what users submit at the mailserver",
                "Receivers put mail of this domain into spam or refuse it.",
                _REQUIRED,
                "RFC 7208",
            )
        if settings.dkim:
            yield Record(
                f"{settings.dkim_selector}._domainkey.{domain}",
                "TXT",
                (key_record(fleet, settings.dkim_key),),
                "DKIM key of mail that users submit at the mailserver",
                "The signature of such mail cannot be verified, and much of it ends in spam.",
                _REQUIRED,
                "RFC 6376 section 3.6",
            )
        yield dmarc_record(fleet, domain)


def _submission(fleet: Fleet) -> Iterator[Record]:
    """Records from which mail programs find the servers of `dns_submission_domains`."""
    for host in fleet.with_role("mailserver")[:1]:
        name = host[MailserverSettings].hostname
        values = {
            "_submissions": f"0 1 465 {name}",
            "_submission": f"0 1 587 {name}",
            # "Not available at this domain".
            "_imaps": "0 0 0 .",
            "_imap": "0 0 0 .",
            "_pop3s": "0 0 0 .",
            "_pop3": "0 0 0 .",
        }
        for domain in fleet[DnsSettings].submission_domains:
            for service, value in values.items():
                yield Record(
                    f"{service}._tcp.{domain}",
                    "SRV",
                    (value,),
                    "mail programs set themselves up by it",
                    "Users type name and port of the mail server into their programs themselves.",
                    Severity.RECOMMENDED,
                    "RFC 6186 sections 3.1 and 3.4; RFC 8314 section 5.1",
                )
