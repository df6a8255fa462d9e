"""Whether a host's sending addresses are on the DNS blocklists of `dns_blocklists`."""

import pickle
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from mailfleet.checks.probe import Answer, ExternalProbe, Status
from mailfleet.dns.settings import DnsSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.settings import HostSettings

_SENDING = ("postal_worker", "mailserver")


def blocklist_probes(fleet: Fleet, host: Host) -> Iterator[ExternalProbe]:
    """One question for all addresses of a host that sends, where lists are set. Of a host that no
    public address is known of there is nothing to ask."""
    if fleet[DnsSettings].blocklists and host.has(*_SENDING) and _addresses(host):
        yield ExternalProbe(
            "blocklists from here",
            lambda: _ask(fleet, host),
            "end what got the address listed, then ask the list for removal; a list that cannot be "
            "asked wants a resolver of your own in dns_resolvers",
        )


def _addresses(host: Host) -> list[IPv4Address | IPv6Address]:
    return [it for it in (host[HostSettings].public_ipv4, host[HostSettings].public_ipv6) if it]


def _ask(fleet: Fleet, host: Host) -> Answer:
    # Late: who does not ask DNS does not load what asks it.
    from mailfleet.dns.checks.listed import Lists
    from mailfleet.dns.checks.parts import elsewhere
    from mailfleet.dns.checks.run import servers_of
    from mailfleet.dns.checks.wanted import Sender
    from mailfleet.dns.finding import Verdict

    addresses = _addresses(host)
    senders = tuple(Sender(address, host.fqdn) for address in addresses)
    lists = Lists(
        senders,
        tuple(fleet[DnsSettings].blocklists),
        tuple(servers_of(fleet[DnsSettings].resolvers)),
    )
    # In a process of its own: this one may ask for several hosts at once, and has one event loop.
    try:
        with elsewhere("mailfleet.dns.checks.listed", [lists]) as asked:
            (found,) = map(pickle.load, asked.outputs())
    except OSError as error:
        # The fault is this machine's, and says nothing about the addresses.
        return Answer(Status.UNKNOWN, f"cannot be asked from here: {error}")
    listed = [f"{zone}: {one.seen}" for zone, one in found if one.verdict is Verdict.FAIL]
    if listed:
        return Answer(Status.FAIL, "; ".join(listed))
    if untold := {zone: one.seen for zone, one in found if one.verdict is not Verdict.OK}:
        told = "; ".join(f"{zone}: {seen}" for zone, seen in untold.items())
        return Answer(Status.WARN, f"cannot be asked: {told}")
    names = ", ".join(str(address) for address in addresses)
    return Answer(Status.OK, f"{names} not on {', '.join(fleet[DnsSettings].blocklists)}")
