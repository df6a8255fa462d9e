"""check_host (RFC 7208 sections 4 to 7), as receivers evaluate it."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from mailfleet.dns.resolve.answer import Answer, Lookups, Status, query, query_all
from mailfleet.dns.spf.macro import TEXT_LETTERS, InvalidMacroError, Template, shortened
from mailfleet.dns.spf.policy import InvalidPolicyError, Mechanism, Policy, Verdict, parse, policies

Address = IPv4Address | IPv6Address

MAX_LOOKUPS = 10
MAX_VOID = 2
MAX_NAMES = 10
"""MX or PTR names of one mechanism (section 4.6.4)."""


class _StopError(Exception):
    """The evaluation ends with an error."""

    def __init__(self, verdict: Verdict, reason: str) -> None:
        super().__init__(reason)
        self.verdict = verdict


@dataclass
class Evaluation:
    """The result, and what it took."""

    verdict: Verdict = Verdict.NONE
    reason: str = ""
    """Of an error or of none: why. Else the mechanism that decided."""
    explanation: str = ""
    lookups: int = 0
    voids: int = 0
    read: dict[str, Policy] = field(default_factory=dict)
    """Every policy read, by domain."""


def evaluate(
    address: Address, sender: str, helo: str, *, receiver: str = "unknown", survey: bool = False
) -> Lookups[Evaluation]:
    """The verdict on mail from `address` with this MAIL FROM and HELO. With `survey` nothing ever
    matches, so that every term is looked up: what the policy can cost at most."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    local, _, domain = (sender or f"postmaster@{helo}").rpartition("@")
    check = _Check(address, local or "postmaster", domain, helo, receiver, survey)
    result = check.result
    try:
        result.verdict, policy, where = yield from check.host(domain, domain)
        if result.verdict is Verdict.FAIL and policy is not None:
            result.explanation = yield from check.explain(policy, where)
    except _StopError as stop:
        result.verdict, result.reason = stop.verdict, str(stop)
    return result


class _Check:
    def __init__(
        self, address: Address, local: str, domain: str, helo: str, receiver: str, survey: bool
    ) -> None:
        self.result = Evaluation()
        self._address = address
        self._survey = survey
        self._open: list[str] = []
        readable = (
            str(address)
            if address.version == 4
            # Nibbles with dots between (section 7.3).
            else ".".join(address.exploded.replace(":", "").upper())
        )
        self._values = {
            "s": f"{local}@{domain}",
            "l": local,
            "o": domain,
            "i": readable,
            "h": helo,
            "v": "in-addr" if address.version == 4 else "ip6",
            "c": str(address),
            "r": receiver,
            "t": str(int(time.time())),
        }

    def host(self, domain: str, shown: str) -> Lookups[tuple[Verdict, Policy | None, str]]:
        """check_host for one domain: the verdict, and the policy and domain that gave it."""
        if not _is_domain(domain):
            self.result.reason = f"{shown}: not a domain name"
            return Verdict.NONE, None, domain
        answer = yield from query(domain, "TXT")
        if answer.failed:
            raise _StopError(Verdict.TEMPERROR, f"{domain} TXT: {answer.status}")
        texts = policies(answer.values)
        if not texts:
            self.result.reason = f"{domain}: no SPF record"
            return Verdict.NONE, None, domain
        if len(texts) > 1:
            raise _StopError(
                Verdict.PERMERROR, f"{domain}: {len(texts)} SPF records, one is allowed"
            )
        try:
            policy = parse(texts[0])
        except InvalidPolicyError as error:
            raise _StopError(Verdict.PERMERROR, f"{domain}: {error}") from None
        self.result.read[domain.lower()] = policy
        self._open.append(domain.lower())
        evaluation = yield from self._policy(policy, domain)
        self._open.pop()
        return evaluation

    def _policy(self, policy: Policy, domain: str) -> Lookups[tuple[Verdict, Policy | None, str]]:
        for mechanism in policy.mechanisms:
            matches = yield from self._matches(mechanism, domain)
            if matches and not self._survey:
                self.result.reason = f"{mechanism.text} of {domain}"
                return mechanism.verdict, policy, domain
            if mechanism.kind == "all":
                break
        if policy.redirect is None or policy.all is not None:
            self.result.reason = f"nothing in {domain} names the address"
            return Verdict.NEUTRAL, policy, domain
        self._count("redirect")
        target = yield from self._expand(policy.redirect, domain)
        self._refuse_loop("redirect", target)
        verdict, theirs, where = yield from self.host(target, target)
        if verdict is Verdict.NONE:
            raise _StopError(Verdict.PERMERROR, f"redirect={target}: {self.result.reason}")
        return verdict, theirs, where

    def _matches(self, mechanism: Mechanism, domain: str) -> Lookups[bool]:
        kind = mechanism.kind
        if kind == "all":
            return True
        if mechanism.network is not None:
            return self._address in mechanism.network
        self._count(mechanism.text)
        target = domain
        if mechanism.domain is not None:
            target = yield from self._expand(mechanism.domain, domain)
        if kind == "include":
            return (yield from self._include(target))
        if kind == "ptr":
            names = yield from self._validated_names()
            return any(
                name == target.lower() or name.endswith(f".{target.lower()}") for name in names
            )
        if kind == "exists":
            answer = yield from query(target, "A")
            self._settled(answer)
            return answer.status is Status.OK
        names = [target]
        if kind == "mx":
            names = yield from self._exchangers(target)
        addresses = yield from self._addresses(names)
        prefix = mechanism.prefix4 if self._address.version == 4 else mechanism.prefix6
        return _within(self._address, addresses, prefix)

    def _include(self, target: str) -> Lookups[bool]:
        self._refuse_loop("include", target)
        verdict, _, _ = yield from self.host(target, target)
        if verdict is Verdict.NONE:
            # Section 5.2.
            raise _StopError(Verdict.PERMERROR, f"include:{target}: {self.result.reason}")
        return verdict is Verdict.PASS

    def _exchangers(self, target: str) -> Lookups[list[str]]:
        answer = yield from query(target, "MX")
        self._settled(answer)
        if len(answer.values) > MAX_NAMES:
            raise _StopError(Verdict.PERMERROR, f"{target} has more than {MAX_NAMES} MX records")
        names = [value.split(" ", 1)[1] for value in answer.values]
        return [name for name in names if name != "."]

    def _addresses(self, names: Iterable[str]) -> Lookups[list[Address]]:
        answers = yield from query_all(*((name, self._type) for name in names))
        for answer in answers:
            self._settled(answer)
        return [ip_address(value) for answer in answers for value in answer.values]

    def _validated_names(self) -> Lookups[list[str]]:
        """Names that the address points to and that point back to it (section 5.5)."""
        answer = yield from query(self._address.reverse_pointer, "PTR")
        if answer.failed:
            return []
        self._settled(answer)
        names = answer.values[:MAX_NAMES]
        answers = yield from query_all(*((name, self._type) for name in names))
        wanted = str(self._address)
        return [name for name, back in zip(names, answers, strict=True) if wanted in back.values]

    def _expand(self, template: Template, domain: str) -> Lookups[str]:
        values = yield from self._for(template, domain)
        return shortened(template.expand(values))

    def _for(self, template: Template, domain: str) -> Lookups[dict[str, str]]:
        values = {**self._values, "d": domain}
        if "p" in template.letters:
            values["p"] = yield from self._validated_name(domain)
        return values

    def _validated_name(self, domain: str) -> Lookups[str]:
        names = yield from self._validated_names()
        domain = domain.lower()
        below = [name for name in names if name.endswith(f".{domain}")]
        same = [name for name in names if name == domain]
        return next(iter([*same, *below, *names]), "unknown")

    def explain(self, policy: Policy, domain: str) -> Lookups[str]:
        """The explanation that a policy gives for a failure (section 6.2); empty if none."""
        if policy.explanation is None:
            return ""
        target = yield from self._expand(policy.explanation, domain)
        answer = yield from query(target, "TXT")
        if len(answer.values) != 1 or not answer.values[0].isascii():
            return ""
        try:
            template = Template.parse(answer.values[0], TEXT_LETTERS, spaces=True)
        except InvalidMacroError:
            return ""
        values = yield from self._for(template, domain)
        return template.expand(values)

    @property
    def _type(self) -> str:
        return "A" if self._address.version == 4 else "AAAA"

    def _count(self, term: str) -> None:
        self.result.lookups += 1
        if self.result.lookups > MAX_LOOKUPS:
            raise _StopError(
                Verdict.PERMERROR, f"{term}: needs more than {MAX_LOOKUPS} lookups (RFC 7208 4.6.4)"
            )

    def _settled(self, answer: Answer) -> None:
        if answer.failed:
            raise _StopError(
                Verdict.TEMPERROR,
                f"{answer.question.name} {answer.question.type}: {answer.status}",
            )
        if not answer.values:
            self.result.voids += 1
            if self.result.voids > MAX_VOID:
                name = answer.question.name
                raise _StopError(
                    Verdict.PERMERROR, f"{name}: more than {MAX_VOID} lookups find nothing"
                )

    def _refuse_loop(self, kind: str, target: str) -> None:
        """The bound on lookups ends a loop anyway, with the same verdict; this names it."""
        if target.lower() in self._open:
            raise _StopError(Verdict.PERMERROR, f"{kind} of {target}, which leads back to itself")


def _is_domain(name: str) -> bool:
    """More than one label, each of 1 to 63 bytes (section 4.3)."""
    labels = name.removesuffix(".").split(".")
    sizes_fit = all(0 < len(label.encode()) < 64 for label in labels)
    return len(labels) > 1 and sizes_fit and len(name) < 254 and not name.startswith("[")


def _within(address: Address, others: Iterable[Address], prefix: int) -> bool:
    return any(
        address.version == other.version and address in ip_network((other, prefix), strict=False)
        for other in others
    )
