"""DNS records of Postal: its own names, and those of a domain that sends through it."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from mailfleet.components.postal.ports import postal_fronts
from mailfleet.components.postal.settings import PostalSettings, postal_hosts
from mailfleet.components.postal.yml.configuration import configuration
from mailfleet.dns.desired.hosts import address_records, addresses
from mailfleet.dns.desired.keys import UnusableKeyError, postal_record
from mailfleet.dns.desired.senders import dmarc_record
from mailfleet.dns.record import Record, Severity
from mailfleet.fleet.errors import Problem, SettingsError
from mailfleet.fleet.fleet import Fleet, Host

_MANUAL = 'Postal manual, "DNS configuration"'
_REQUIRED, _RECOMMENDED = Severity.REQUIRED, Severity.RECOMMENDED


def records(fleet: Fleet) -> list[Record]:
    """What Postal itself needs (Postal manual, "DNS configuration"). Raises SettingsError and
    SecretsError."""
    if not postal_hosts(fleet):
        return []
    return [
        *_names(fleet),
        *_spf(fleet),
        *_return_path(fleet),
        *_route(fleet),
        *_tracking(fleet),
        *_senders(fleet),
        *(
            record
            for domain in fleet[PostalSettings].sending_domains
            for record in sending_domain_records(fleet, domain)
        ),
    ]


def sending_domain_records(fleet: Fleet, domain: str) -> list[Record]:
    """What a domain needs that sends through this Postal, besides its DKIM key, which Postal makes
    when the domain is added and shows there."""
    names = dns_names(fleet, postal_hosts(fleet)[0])
    prefix = names.get("custom_return_path_prefix", "psrp")
    return [
        Record(
            domain,
            "TXT",
            # Postal shows `a mx include:`; the include first saves receivers the other two, whose
            # lookups in vain (no AAAA, say) can make the whole policy void (RFC 7208 4.6.4).
            (f"v=spf1 include:{names['spf_include']} a mx ~all",),
            "lets receivers accept mail of this domain from Postal",
            "Receivers put mail of this domain into spam or refuse it.",
            _REQUIRED,
            "RFC 7208; Postal looks for this very include (has_dns_checks.rb)",
        ),
        Record(
            f"{prefix}.{domain}",
            "CNAME",
            (names["return_path_domain"],),
            "makes the envelope sender a name of this domain, which DMARC asks of SPF",
            "SPF says nothing for this domain: mail passes DMARC by its DKIM signature only.",
            _RECOMMENDED,
            "RFC 9989 section 4.4; Postal has_dns_checks.rb",
        ),
        dmarc_record(fleet, domain),
    ]


def dns_names(fleet: Fleet, host: Host) -> dict[str, Any]:
    """The group `dns` of postal.yml as deployed, `postal_config` included."""
    group: dict[str, Any] = configuration(dataclasses.replace(fleet, masked=True), host)["dns"]
    return group


def _shared_names(fleet: Fleet) -> dict[str, Any]:
    return dns_names(fleet, postal_hosts(fleet)[0])


def _names(fleet: Fleet) -> Iterator[Record]:
    smtp_hosts = fleet.with_role("postal_smtp")
    yield from address_records(
        fleet,
        fleet[PostalSettings].web_hostname,
        postal_fronts(fleet),
        why="web interface and API",
        otherwise="Nobody reaches Postal's web interface, and no program its API.",
        severity=_REQUIRED,
        source=_MANUAL,
    )
    mx_names: list[str] = _shared_names(fleet)["mx_records"]
    for name in dict.fromkeys((fleet[PostalSettings].smtp_name, *mx_names)):
        yield from address_records(
            fleet,
            name,
            smtp_hosts,
            why="bounces and incoming mail arrive here, applications submit here",
            otherwise="Bounces, incoming mail and mail from applications do not arrive.",
            severity=_REQUIRED,
            source=_MANUAL,
        )


def _spf(fleet: Fleet) -> Iterator[Record]:
    sending = [address for host in fleet.with_role("postal_worker") for address in addresses(host)]
    networks = [f"ip{address.version}:{address}" for address in sending]
    yield Record(
        _shared_names(fleet)["spf_include"],
        "TXT",
        (" ".join(["v=spf1", *networks, "~all"]),),
        "names every address that Postal sends from, once for all domains",
        "Receivers put all mail that Postal sends into spam or refuse it.",
        _REQUIRED,
        _MANUAL,
    )


def _return_path(fleet: Fleet) -> Iterator[Record]:
    names = _shared_names(fleet)
    domain = names["return_path_domain"]
    yield from address_records(
        fleet,
        domain,
        fleet.with_role("postal_smtp"),
        why="the `a` of the SPF record of the same name",
        otherwise="Mail still flows; a lookup of the SPF record finds nothing, and only two may.",
        severity=_RECOMMENDED,
        source=_MANUAL,
    )
    yield _mx(
        domain,
        names["mx_records"],
        "bounces come back to this domain",
        "Bounces are lost, and Postal keeps sending to dead addresses.",
        _REQUIRED,
    )
    yield Record(
        domain,
        "TXT",
        (f"v=spf1 a mx include:{names['spf_include']} ~all",),
        "SPF of the envelope sender of all mail without a return path of its own",
        "Receivers put mail of domains without their own return path into spam or refuse it.",
        _REQUIRED,
        _MANUAL,
    )
    yield Record(
        f"{names.get('dkim_identifier', 'postal')}._domainkey.{domain}",
        "TXT",
        (_signing_record(fleet),),
        "DKIM key of mail whose own domain has no key that Postal has seen in DNS",
        "The signature of such mail cannot be verified, and much of it ends in spam.",
        _REQUIRED,
        f"{_MANUAL}; RFC 6376 section 3.6",
    )


def _signing_record(fleet: Fleet) -> str:
    try:
        return postal_record(fleet.value(fleet[PostalSettings].signing_key).reveal())
    except UnusableKeyError as error:
        problem = Problem("secret store", fleet[PostalSettings].signing_key.name, str(error))
        raise SettingsError([problem]) from None


def _route(fleet: Fleet) -> Iterator[Record]:
    names = _shared_names(fleet)
    yield _mx(
        names["route_domain"],
        names["mx_records"],
        "mail to route addresses arrives by this domain",
        "Mail to Postal's own route addresses does not arrive.",
        _RECOMMENDED,
    )


def _tracking(fleet: Fleet) -> Iterator[Record]:
    target = _shared_names(fleet)["track_domain"]
    yield from address_records(
        fleet,
        target,
        postal_fronts(fleet),
        why="tracking domains are CNAMEs of this name",
        otherwise="Tracked links in mail that was sent lead nowhere.",
        severity=_REQUIRED if fleet[PostalSettings].track_domains else _RECOMMENDED,
        source='Postal manual, "Click & Open Tracking"',
    )
    for name in fleet[PostalSettings].track_domains:
        if name != target:
            yield Record(
                name,
                "CNAME",
                (target,),
                "tracked links and images of a domain point here",
                "Postal leaves tracking off, and links of mail that was sent lead nowhere.",
                _REQUIRED,
                'Postal manual, "Click & Open Tracking"',
            )


def _senders(fleet: Fleet) -> Iterator[Record]:
    """Each sending host: the name it gives in HELO, and its addresses pointing back to that."""
    for host in fleet.with_role("postal_worker"):
        helo = dns_names(fleet, host)["helo_hostname"]
        yield from address_records(
            fleet,
            helo,
            [host],
            why="the name that Postal gives in HELO",
            otherwise="Receivers that look up who is calling find nobody, and many refuse.",
            severity=_REQUIRED,
            source="RFC 5321 section 4.1.4",
        )
        yield Record(
            helo,
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
                (helo,),
                "a sending address must name the HELO name; set it where the address is rented",
                "Google and many others refuse mail from this address.",
                _REQUIRED,
                "RFC 8601 section 2.7.3; Google, Email sender guidelines",
            )


def _mx(name: str, targets: list[str], why: str, otherwise: str, severity: Severity) -> Record:
    values = tuple(f"10 {target}" for target in targets)
    return Record(name, "MX", values, why, otherwise, severity, _MANUAL)
