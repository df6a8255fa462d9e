"""Sending addresses on DNS blocklists (RFC 5782)."""

from ipaddress import IPv4Address, ip_address, ip_network

from mailfleet.dns.checks.wanted import Sender
from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Severity
from mailfleet.dns.resolve.answer import Answer, Lookups, ask, ask_all

_LISTED = ip_network("127.0.0.0/16")
_REFUSALS = {
    "127.255.255.252": "the name of the list is misspelt",
    "127.255.255.254": "it does not answer public resolvers: ask by one of your own (--server)",
    "127.255.255.255": "it was asked too often from here",
}
"""Spamhaus, "DNSBL return codes". They are no listings, though they look like some."""


def check_blocklist(sender: Sender, zone: str) -> Lookups[list[Finding]]:
    """Whether an address is listed; believed only when the list answers as RFC 5782 section 5 asks:
    127.0.0.2 is on it, 127.0.0.1 is not."""
    name = f"{_reversed(sender)}.{zone}"
    listed, unlisted = yield from ask_all((f"2.0.0.127.{zone}", "A"), (f"1.0.0.127.{zone}", "A"))
    if reason := _unusable(listed, unlisted):
        effect = "Nobody can say. Mail is not affected by this."
        return [_finding(sender, zone, name, Verdict.INFO, reason, effect)]
    answer = yield from ask(name, "A")
    if reason := _refusal(answer):
        effect = "Nobody can say. Mail is not affected by this."
        return [_finding(sender, zone, name, Verdict.INFO, reason, effect)]
    if not answer.values:
        return [_finding(sender, zone, name, Verdict.OK, f"{sender.address} is not listed")]
    why = yield from ask(name, "TXT")
    shown = f"{sender.address} is listed: {', '.join((*answer.values, *why.values))}"
    effect = f"Receivers that use {zone} refuse mail from this address. Ask it for removal."
    return [_finding(sender, zone, name, Verdict.FAIL, shown, effect)]


def _unusable(listed: Answer, unlisted: Answer) -> str:
    if reason := _refusal(listed) or _refusal(unlisted):
        return reason
    if not listed.values:
        return "127.0.0.2 is not on it: there is no such list, or it lists nobody any more"
    if unlisted.values:
        return "127.0.0.1 is on it: it lists everybody"
    return ""


def _refusal(answer: Answer) -> str:
    """Why an answer says nothing about the address; empty if it does."""
    if answer.failed:
        return str(answer.status)
    for value in answer.values:
        if value in _REFUSALS:
            return f"{value}: {_REFUSALS[value]}"
        if ip_address(value) not in _LISTED:
            return f"{value} is no listing: the resolver rewrites answers, or the list is gone"
    return ""


def _reversed(sender: Sender) -> str:
    pointer = sender.address.reverse_pointer
    suffix = ".in-addr.arpa" if isinstance(sender.address, IPv4Address) else ".ip6.arpa"
    return pointer.removesuffix(suffix)


def _finding(
    sender: Sender, zone: str, name: str, verdict: Verdict, shown: str, effect: str = ""
) -> Finding:
    return Finding(
        "blocklist",
        name,
        "A",
        verdict,
        # No record of ours mends it, so no gate closes on it unless asked to.
        Severity.RECOMMENDED,
        shown,
        f"{sender.address} is not on {zone}",
        "RFC 5782",
        effect,
    )
