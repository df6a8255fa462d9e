"""Whether a host's sending addresses are on one of `dns_blocklists`.

A DNS blocklist (RFC 5782) is a zone that lists addresses known for spam: 192.0.2.1 is listed on
bl.example when 1.2.0.192.bl.example has an A record in 127.0.0.0/8. Receivers query such lists
while a client connects and reject mail from listed addresses. How answers are evaluated is in
dns/checks/blocklist.py."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

import gevent

from mailfleet.checks.probe import Answer, ExternalProbe
from mailfleet.checks.result import Status
from mailfleet.dns.settings import DnsSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.settings import HostSettings

_SENDING = ("postal_worker", "mailserver")
_SECONDS = 10.0


def blocklist_probes(fleet: Fleet, host: Host) -> Iterator[ExternalProbe]:
    """One probe for all public addresses of a host that sends mail, if blocklists are set."""
    if fleet[DnsSettings].blocklists and host.has(*_SENDING) and _addresses(host):
        yield ExternalProbe(
            "blocklists from here",
            lambda: _look_up(fleet, host),
            "stop what got the address listed, then request removal from the list; a list that "
            "cannot be queried needs a resolver of your own in dns_resolvers",
        )


def _addresses(host: Host) -> list[IPv4Address | IPv6Address]:
    return [it for it in (host[HostSettings].public_ipv4, host[HostSettings].public_ipv6) if it]


def _look_up(fleet: Fleet, host: Host) -> Answer:
    # Imported late: only this probe needs the resolver.
    from mailfleet.dns.checks.check_run import blocklist_findings, servers_of
    from mailfleet.dns.finding import Verdict
    from mailfleet.dns.resolve.resolver import Limits

    addresses, settings = _addresses(host), fleet[DnsSettings]
    # In a thread: the probes of all hosts run at once, and a thread has one event loop only.
    findings = gevent.get_hub().threadpool.apply(
        blocklist_findings,
        (
            addresses,
            settings.blocklists,
            servers_of(settings.resolvers),
            Limits(seconds=_SECONDS),
        ),
    )
    listed = [f"{zone}: {one.found}" for zone, one in findings if one.verdict is Verdict.FAIL]
    if listed:
        return Answer(Status.FAIL, "; ".join(listed))
    unknown = {zone: one.found for zone, one in findings if one.verdict is not Verdict.OK}
    if unknown:
        reasons = "; ".join(f"{zone}: {seen}" for zone, seen in unknown.items())
        return Answer(Status.WARN, f"cannot be queried: {reasons}")
    names = ", ".join(str(address) for address in addresses)
    return Answer(Status.OK, f"{names} not on {', '.join(settings.blocklists)}")
