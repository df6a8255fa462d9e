"""SPF policies as written (RFC 7208 sections 4.5, 4.6 and 12)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from mailfleet.dns.spf.macro import TEXT_LETTERS, InvalidMacroError, Template


class Verdict(StrEnum):
    """Results of an evaluation (section 2.6)."""

    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    NONE = "none"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


QUALIFIERS = {
    "": Verdict.PASS,
    "+": Verdict.PASS,
    "-": Verdict.FAIL,
    "~": Verdict.SOFTFAIL,
    "?": Verdict.NEUTRAL,
}

_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE | re.DOTALL)
_MECHANISM = re.compile(
    r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)([:/].*)?", re.IGNORECASE | re.DOTALL
)
_DUAL_CIDR = re.compile(r"(?:/(0|[1-9]\d?))?(?://(0|[1-9]\d{0,2}))?\Z")
_IP4 = re.compile(r"[0-9.]+(/(0|[1-9]\d?))?\Z")
_IP6 = re.compile(r"[0-9a-f:.]+(/(0|[1-9]\d{0,2}))?\Z", re.IGNORECASE)


class InvalidPolicyError(ValueError):
    """A policy that breaks the grammar: receivers answer permerror."""


@dataclass(frozen=True)
class Mechanism:
    """One mechanism."""

    text: str
    verdict: Verdict
    """What it says of a sender that it matches."""
    kind: str
    domain: Template | None = None
    network: IPv4Network | IPv6Network | None = None
    prefix4: int = 32
    prefix6: int = 128


@dataclass(frozen=True)
class Policy:
    """A whole policy, its grammar checked."""

    mechanisms: tuple[Mechanism, ...] = ()
    redirect: Template | None = None
    explanation: Template | None = None

    @property
    def all(self) -> Mechanism | None:
        return next((item for item in self.mechanisms if item.kind == "all"), None)


def is_policy(text: str) -> bool:
    """Whether a TXT record is an SPF policy (section 4.5)."""
    return re.match(r"v=spf1(?: |\Z)", text, re.IGNORECASE) is not None


@lru_cache(maxsize=1024)
def parse(text: str) -> Policy:
    """Parse a policy. Raises InvalidPolicyError at the first mistake in it (section 4.6)."""
    if not text.isascii():
        raise InvalidPolicyError("holds characters other than US-ASCII")
    mechanisms = []
    modifiers: dict[str, Template] = {}
    for term in (term for term in text[6:].split(" ") if term):
        try:
            if modifier := _MODIFIER.fullmatch(term):
                _modifier(modifier[1].lower(), modifier[2], modifiers)
            else:
                mechanisms.append(_mechanism(term))
        except InvalidMacroError as error:
            raise InvalidPolicyError(f"{term}: {error}") from None
    return Policy(tuple(mechanisms), modifiers.get("redirect"), modifiers.get("exp"))


def _modifier(name: str, value: str, known: dict[str, Template]) -> None:
    if name not in ("redirect", "exp"):
        Template.parse(value, TEXT_LETTERS)
        return
    if name in known:
        raise InvalidPolicyError(f"{name}= stands there twice")
    known[name] = Template.domain(value)


def _mechanism(term: str) -> Mechanism:
    match = _MECHANISM.fullmatch(term)
    if match is None:
        raise InvalidPolicyError(f"{term}: no such mechanism")
    verdict, kind, rest = QUALIFIERS[match[1]], match[2].lower(), match[3] or ""
    if kind == "all":
        if rest:
            raise InvalidPolicyError(f"{term}: all takes no value")
        return Mechanism(term, verdict, kind)
    if kind in ("ip4", "ip6"):
        return Mechanism(term, verdict, kind, network=_network(term, kind, rest))
    if kind in ("a", "mx"):
        cidr = _DUAL_CIDR.search(rest)
        assert cidr is not None
        rest = rest[: cidr.start()]
        prefix4, prefix6 = int(cidr[1] or 32), int(cidr[2] or 128)
        if prefix4 > 32 or prefix6 > 128:
            raise InvalidPolicyError(f"{term}: a prefix that long does not exist")
        return Mechanism(term, verdict, kind, _domain(term, rest, False), None, prefix4, prefix6)
    return Mechanism(term, verdict, kind, _domain(term, rest, kind != "ptr"))


def _domain(term: str, rest: str, required: bool) -> Template | None:
    if not rest and not required:
        return None
    if not rest.startswith(":"):
        raise InvalidPolicyError(f"{term}: a domain name is missing")
    return Template.domain(rest[1:])


def _network(term: str, kind: str, rest: str) -> IPv4Network | IPv6Network:
    text = rest[1:]
    pattern, version = (_IP4, IPv4Network) if kind == "ip4" else (_IP6, IPv6Network)
    if rest.startswith(":") and pattern.match(text):
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            pass
        else:
            if isinstance(network, version):
                return network
    raise InvalidPolicyError(f"{term}: not an address or network")


def policies(texts: Iterable[str]) -> list[str]:
    """Those TXT records that are SPF policies."""
    return [text for text in texts if is_policy(text)]
