"""What a remote server's refusal stands for: the rule behind it, and the DNS check that tells
whether it holds. Receivers use codes freely, so their words come before their codes."""

import re
from dataclasses import dataclass

_CODES = re.compile(r"\b([45]\d\d)(?:[ -]#?([45]\.\d{1,3}\.\d{1,3}))?\b")
_ENHANCED = re.compile(r"\b([45]\.\d{1,3}\.\d{1,3})\b")


@dataclass(frozen=True)
class Meaning:
    """Why a server refused, and what to do."""

    cause: str
    remedy: str
    source: str
    dns: str = ""
    """The family of `mailfleet dns check` that tells whether the rule holds; empty if none does."""


@dataclass(frozen=True)
class Rule:
    """`codes` are enhanced status codes without their class: `7.25` is 4.7.25 and 5.7.25."""

    meaning: Meaning
    words: str = r"(?!)"
    codes: tuple[str, ...] = ()


_REVERSE = Meaning(
    "the receiver wants reverse DNS: the PTR record of the sending address must name a host that "
    "has that address",
    "set the PTR record at the provider of the address to postal_helo_hostname",
    "RFC 7372 section 3.3; Gmail 5.7.25",
    "reverse",
)
_SPF = Meaning(
    "SPF does not allow the sending address to send for this domain",
    "publish one SPF record for the domain that covers the sending addresses",
    "RFC 7208; RFC 7372 section 3.2",
    "spf",
)
_DKIM = Meaning(
    "there is no DKIM signature that verifies",
    "publish the DKIM key that `mailfleet dns records` prints; Postal signs with the domain's key "
    "only once its own check of the domain has passed",
    "RFC 6376; RFC 7372 section 3.1",
    "dkim",
)
_DMARC = Meaning(
    "the message fails DMARC: neither SPF nor DKIM passes for the domain in From",
    "make SPF or DKIM pass with the domain in From: its key and its return path must be published",
    "RFC 7489 section 6.6.2; RFC 7372 section 3.4",
    "dmarc",
)
_LISTED = Meaning(
    "the sending address is on a blocklist of the receiver",
    "find out why it was listed, then ask the list that the answer names for removal",
    "RFC 5782",
    "blocklist",
)
_GREY = Meaning(
    "the receiver defers first contact (greylisting) or is busy",
    "wait: it is tried again by itself",
    "RFC 6647",
)
_RATE = Meaning(
    "the receiver limits how much it takes from this address or domain",
    "send less at a time to this receiver; new addresses earn their volume over weeks",
    "RFC 3463 (X.7.1); Gmail 4.7.28",
)
_RECIPIENT = Meaning(
    "the receiver does not know the recipient",
    "correct the address; Postal puts it on its suppression list after a refusal for good",
    "RFC 3463 section 3.2 (X.1.1)",
)
_FULL = Meaning(
    "the recipient's mailbox is full",
    "the recipient must make room; it is tried again by itself",
    "RFC 3463 section 3.3 (X.2.2)",
)
_DISABLED = Meaning(
    "the recipient's mailbox is disabled or busy",
    "ask the recipient by another way; a temporary refusal is tried again by itself",
    "RFC 3463 section 3.3 (X.2.1)",
)
_SIZE = Meaning(
    "the message is larger than the receiver takes",
    "send a link instead of the attachment",
    "RFC 3463 sections 3.3 and 3.4 (X.2.3, X.3.4)",
)
_SENDER = Meaning(
    "the domain of the envelope sender does not exist in DNS, or cannot take bounces",
    "publish the return path: its address or MX records",
    "RFC 3463 section 3.2 (X.1.8)",
    "address",
)
_HELO = Meaning(
    "the receiver cannot resolve the name given in HELO",
    "publish the address record of postal_helo_hostname",
    "RFC 5321 section 4.1.4",
    "address",
)
_DOMAIN = Meaning(
    "the domain of the recipient does not exist or takes no mail",
    "correct the address",
    "RFC 3463 sections 3.2 and 3.5; RFC 7505",
)
_TLS = Meaning(
    "the receiver takes mail under TLS only",
    "let Postal use STARTTLS (postal_config, smtp_relays or the default `Auto`)",
    "RFC 3207; Gmail 5.7.29",
)
_RELAY = Meaning(
    "the server that was asked is not the receiver's, or wants a login",
    "see where the domain's MX records and postal_relays lead",
    "RFC 5321 section 7.9",
)
_CREDENTIAL = Meaning(
    "the credential is wrong, or belongs to another mail server",
    "look it up in Postal's web interface; in a URL `@` in the user name is written %40",
    "RFC 4954 section 6 (535, 5.7.8)",
)
_FROM = Meaning(
    "the domain in From is not a verified domain of this Postal server",
    "add the domain in Postal's web interface and publish its records",
    "Postal 3.3, app/lib/smtp_server/client.rb",
    "dkim",
)
_LOOP = Meaning(
    "the message goes round between servers that each send it on to the next",
    "see where forwards of the recipient and the MX records of its domain lead",
    "RFC 5321 section 6.3; RFC 3463 section 3.5 (X.4.6)",
)
_CONTENT = Meaning(
    "the receiver took the content for spam",
    "look at SPF, DKIM and DMARC first, then at links and wording",
    "RFC 3463 section 3.8 (X.7.1)",
    "dmarc",
)
_UNREACHABLE = Meaning(
    "no server of the receiver could be reached",
    "see whether outbound port 25 is open (`mailfleet health`); else the receiver is down, and it "
    "is tried again by itself",
    "RFC 3463 section 3.5 (X.4.1)",
)

# The narrow ones first.
RULES = (
    Rule(_FROM, r"530\b.*From/Sender name is not valid"),
    Rule(_DMARC, r"\bDMARC\b|sender is unauthenticated|required authentication level"),
    Rule(_DKIM, r"DKIM (authentication|signature|check).{0,40}(fail|didn't|did not|not pass)"),
    Rule(_SPF, r"SPF (authentication |check |validation )?.{0,30}(fail|didn't|did not|not pass)"),
    Rule(_REVERSE, r"\bPTR\b|reverse (DNS|hostname)|cannot find your (reverse )?hostname"),
    Rule(_HELO, r"Helo command rejected"),
    Rule(
        _LISTED,
        # Barracuda's own servers stand in front of many receivers: their name alone says nothing.
        r"blocked using|black ?list|block ?list|DNSBL|spamhaus|banned sending IP|"
        r"barracuda(central| reputation|networks\.com/reputation)|"
        r"\bS31[45]0\b|\[BL\d\d\]",
    ),
    Rule(_SENDER, r"Sender address rejected: (Domain|unverified)"),
    Rule(_RELAY, r"relay(ing)? (access )?denied|not permitted to relay"),
    # The second is Rspamd's.
    Rule(_GREY, r"gr[ea]y ?-?list|4\.7\.1 Try again later"),
    Rule(_LOOP, r"too many hops|mail (forwarding )?loop|loops back|loop detected", ("4.6",)),
    # Postal says of itself that it has seen "too many hard fails".
    Rule(_RATE, r"rate.?limit|too many (?!hard fails)|unusual rate|\[TSS?\d\d\]|throttl"),
    Rule(_TLS, r"STARTTLS|TLS (connection )?(is )?required|requires? TLS"),
    Rule(_RECIPIENT, r"user unknown|no such (user|mailbox|recipient)|mailbox (not found|unavail)"),
    Rule(_FULL, r"over ?quota|mailbox (is )?full|quota exceeded"),
    Rule(_CONTENT, r"\bspam\b|content rejected"),
    Rule(_CREDENTIAL, r"\b535\b|authentication (failed|failure)|invalid credential"),
    Rule(
        _UNREACHABLE,
        r"timed? ?out|no route to host|connection refused|network is unreachable|"
        r"no SMTP servers?\b",
    ),
    Rule(_DKIM, codes=("7.20", "7.21", "7.22", "7.30")),
    Rule(_SPF, codes=("7.23", "7.24")),
    Rule(_REVERSE, codes=("7.25",)),
    Rule(_DMARC, codes=("7.26", "7.32", "7.40", "7.509", "7.515")),
    Rule(_DOMAIN, codes=("1.2", "1.10", "4.4", "7.27")),
    Rule(_RATE, codes=("7.28", "7.650", "3.2")),
    Rule(_TLS, codes=("7.29",)),
    Rule(_CREDENTIAL, codes=("7.8",)),
    Rule(_RECIPIENT, codes=("1.0", "1.1", "1.3", "1.6", "5.0")),
    Rule(_SENDER, codes=("1.7", "1.8", "1.9")),
    Rule(_DISABLED, codes=("2.0", "2.1")),
    Rule(_FULL, codes=("2.2",)),
    Rule(_SIZE, codes=("2.3", "3.4")),
    Rule(_UNREACHABLE, codes=("4.1", "4.2")),
    Rule(_CONTENT, codes=("7.0", "7.1", "7.7", "7.9")),
)

_BY_BASIC_CODE = {
    "421": _RATE,
    "450": _GREY,
    "451": _GREY,
    "452": _FULL,
    "535": _CREDENTIAL,
    "550": _RECIPIENT,
    "551": _RELAY,
    "552": _SIZE,
    "553": _RECIPIENT,
    "554": _CONTENT,
}


def codes(reply: str) -> tuple[str, str]:
    """Basic and enhanced status code (RFC 5321, RFC 3463), empty where the reply has none."""
    found = _CODES.search(reply)
    enhanced = (found[2] if found else "") or ""
    if not enhanced:
        elsewhere = _ENHANCED.search(reply)
        enhanced = elsewhere[1] if elsewhere else ""
    return (found[1] if found else "", enhanced)


def meaning_of(reply: str) -> Meaning | None:
    """What a refusal or a failed attempt stands for; None if nobody can tell."""
    basic, enhanced = codes(reply)
    detail = enhanced.partition(".")[2]
    for rule in RULES:
        if re.search(rule.words, reply, re.IGNORECASE) or (detail and detail in rule.codes):
            return rule.meaning
    return _BY_BASIC_CODE.get(basic)
