"""DNS blocklists (RFC 5782).

A blocklist is a DNS zone that lists addresses known for spam. 192.0.2.1 is listed on bl.example
when the name 1.2.0.192.bl.example has an A record in 127.0.0.0/8; a TXT record beside it may give
the reason. Receivers query the lists they trust while a client connects and reject listed
addresses. A working list contains the test address 127.0.0.2 and never 127.0.0.1."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Severity
from mailfleet.dns.resolve.answer import Answer, Lookups, query, query_all

_LISTED = ip_network("127.0.0.0/16")
_REFUSALS = {
    "127.255.255.252": "the name of the list is wrong",
    "127.255.255.254": "it refuses public resolvers: query through your own (--server)",
    "127.255.255.255": "it received too many queries from here",
}
"""Spamhaus, "DNSBL return codes". They are no listings, though they look like some."""


def check_blocklist(address: IPv4Address | IPv6Address, zone: str) -> Lookups[list[Finding]]:
    """Whether an address is listed; believed only when the list answers as RFC 5782 section 5 asks:
    127.0.0.2 is on it, 127.0.0.1 is not."""
    name = f"{_reversed(address)}.{zone}"
    listed, unlisted = yield from query_all((f"2.0.0.127.{zone}", "A"), (f"1.0.0.127.{zone}", "A"))
    if reason := _unusable(listed, unlisted):
        effect = "Unknown. Mail is not affected."
        return [_finding(address, zone, name, Verdict.INFO, reason, effect)]
    answer = yield from query(name, "A")
    if reason := _refusal(answer):
        effect = "Unknown. Mail is not affected."
        return [_finding(address, zone, name, Verdict.INFO, reason, effect)]
    if not answer.values:
        return [_finding(address, zone, name, Verdict.OK, f"{address} is not listed")]
    why = yield from query(name, "TXT")
    shown = f"{address} is listed: {', '.join((*answer.values, *why.values))}"
    effect = f"Receivers that use {zone} refuse mail from this address. Ask it for removal."
    return [_finding(address, zone, name, Verdict.FAIL, shown, effect)]


def _unusable(listed: Answer, unlisted: Answer) -> str:
    if reason := _refusal(listed) or _refusal(unlisted):
        return reason
    if not listed.values:
        return "127.0.0.2 is not on it: the list does not exist or is empty"
    if unlisted.values:
        return "127.0.0.1 is on it: it lists every address"
    return ""


def _refusal(answer: Answer) -> str:
    """Why an answer says nothing about the address; empty if it does."""
    if answer.failed:
        return str(answer.status)
    for value in answer.values:
        if value in _REFUSALS:
            return f"{value}: {_REFUSALS[value]}"
        if ip_address(value) not in _LISTED:
            return f"{value} is not a listing: the resolver rewrites answers, or the list is gone"
    return ""


def _reversed(address: IPv4Address | IPv6Address) -> str:
    pointer = address.reverse_pointer
    suffix = ".in-addr.arpa" if isinstance(address, IPv4Address) else ".ip6.arpa"
    return pointer.removesuffix(suffix)


def _finding(
    address: IPv4Address | IPv6Address,
    zone: str,
    name: str,
    verdict: Verdict,
    shown: str,
    effect: str = "",
) -> Finding:
    return Finding(
        "blocklist",
        name,
        "A",
        verdict,
        # No record of ours mends it, so no gate closes on it unless asked to.
        Severity.RECOMMENDED,
        shown,
        f"{address} is not on {zone}",
        "RFC 5782",
        effect,
    )
