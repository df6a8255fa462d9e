"""DMARC: policy records, their discovery by tree walk, and alignment (RFC 9989).

SPF and DKIM authenticate domains that the reader of a mail never sees. DMARC ties them to the
domain in the From header: a mail passes if SPF or DKIM passes for an aligned domain. The TXT record
_dmarc.DOMAIN says what receivers do with mail that fails (p=none, quarantine, reject) and where
they send reports. A domain without a record inherits that of a parent domain (tree walk)."""

import re
from dataclasses import dataclass
from functools import lru_cache

from mailfleet.dns.resolve.answer import Lookups, Status, query
from mailfleet.dns.tags import InvalidTagsError, split_tags

MAX_QUERIES = 8
POLICIES = ("none", "quarantine", "reject")
REMOVED_TAGS = ("pct", "rf", "ri")
"""Of RFC 7489; receivers ignore them now (RFC 9989 appendix C)."""

_VALUES: dict[str, frozenset[str]] = {
    **dict.fromkeys(("p", "sp", "np"), frozenset(POLICIES)),
    **dict.fromkeys(("adkim", "aspf"), frozenset("rs")),
    "psd": frozenset("ynu"),
    "t": frozenset("yn"),
    "fo": frozenset("01ds"),
}
"""What is allowed; anything else is skipped in favour of the default (section 4.8)."""

_REPORT_URI = re.compile(
    r"mailto:[^@\s,!]+@[a-z0-9_-]+(\.[a-z0-9_-]+)+(![0-9]+[kmgt]?)?\Z", re.IGNORECASE
)


class InvalidPolicyRecordError(ValueError):
    """Text that receivers ignore."""


@dataclass(frozen=True)
class PolicyRecord:
    """A policy record as receivers understand it."""

    policy: str = "none"
    subdomains: str | None = None
    psd: str = "u"
    testing: bool = False
    strict_spf: bool = False
    reports: tuple[str, ...] = ()
    failure_reports: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()
    """Parts that receivers skip, and why."""

    def for_domain(self, below: bool) -> str:
        """The policy for the record's own domain, or for one below it (section 4.7)."""
        return (self.subdomains or self.policy) if below else self.policy


@dataclass(frozen=True)
class Discovery:
    """What a tree walk found."""

    domain: str
    record: PolicyRecord | None = None
    """Of the domain itself, else of its organizational domain, else of the public suffix."""
    where: str = ""
    """The domain whose record that is."""
    organization: str = ""
    failed: str = ""
    """The name and status of a lookup that did not succeed."""
    ignored: tuple[str, ...] = ()
    """Records of the domain itself that receivers cannot use, and why."""


def is_policy_record(text: str) -> bool:
    """Records that start otherwise are discarded; only DMARC1 is case-sensitive (section 4.8)."""
    return re.match(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(;|\Z)", text) is not None


@lru_cache(maxsize=1024)
def parse_policy(text: str) -> PolicyRecord:
    """Read a policy record. Raises InvalidPolicyRecordError."""
    if not is_policy_record(text):
        raise InvalidPolicyRecordError("does not begin with v=DMARC1")
    try:
        tags, odd = split_tags(text)
    except InvalidTagsError as error:
        raise InvalidPolicyRecordError(str(error)) from None
    tags = {tag.lower(): value for tag, value in tags.items()}
    reports = _uris(tags.get("rua", ""))
    wrong = [
        f"{tag}={tags[tag]}: no such value"
        for tag, values in _VALUES.items()
        if tag in tags and not _parts(tag, tags[tag].lower()) <= values
    ]
    wrong += [f"{tag}= is empty" for tag, value in tags.items() if not value]
    wrong += [f"{tag}=: a tag has letters only" for tag in tags if not tag.isalpha()]
    if not all(tags.get(tag, "none").lower() in POLICIES for tag in ("p", "sp", "np")):
        # With a place to report to it counts as none, without it as no record (section 4.10.1).
        if not any(map(is_report_uri, reports)):
            raise InvalidPolicyRecordError(wrong[0])
        tags |= {"p": "none", "sp": "none"}
    return PolicyRecord(
        tags.get("p", "none").lower(),
        tags["sp"].lower() if "sp" in tags else None,
        tags.get("psd", "u").lower(),
        tags.get("t", "n").lower() == "y",
        tags.get("aspf", "r").lower() == "s",
        reports,
        _uris(tags.get("ruf", "")),
        tuple(tag for tag in REMOVED_TAGS if tag in tags),
        (*odd, *wrong),
    )


def _parts(tag: str, value: str) -> set[str]:
    """Only fo takes a list; an empty value is told otherwise."""
    return set(value.split(":")) if tag == "fo" else {value} - {""}


def _uris(text: str) -> tuple[str, ...]:
    return tuple(uri.strip() for uri in text.split(",") if uri.strip())


def is_report_uri(uri: str) -> bool:
    """Whether reports can be sent there: a mailto: address. A size after `!` is ignored."""
    return _REPORT_URI.match(uri) is not None


def walk(domain: str) -> list[str]:
    """Domains that the tree walk asks, from the domain itself upwards (section 4.10)."""
    labels = domain.split(".")
    if len(labels) <= MAX_QUERIES:
        return [".".join(labels[at:]) for at in range(len(labels))]
    rest = labels[-(MAX_QUERIES - 1) :]
    return [domain, *(".".join(rest[at:]) for at in range(len(rest)))]


def discover(domain: str) -> Lookups[Discovery]:
    """The policy for mail from a domain, and its organizational domain."""
    domain = domain.lower().rstrip(".")
    records: dict[str, PolicyRecord] = {}
    ignored: tuple[str, ...] = ()
    for place in walk(domain):
        answer = yield from query(f"_dmarc.{place}", "TXT")
        if answer.failed and records:
            # The policy is known. An authoritative server says nothing about names above its own.
            break
        if answer.failed:
            failure = f"_dmarc.{place} TXT: {answer.status}"
            return Discovery(domain, failed=failure, ignored=ignored)
        texts = [text for text in answer.values if is_policy_record(text)]
        if answer.status is not Status.OK or not texts:
            continue
        try:
            if len(texts) > 1:
                raise InvalidPolicyRecordError(f"{len(texts)} records, one is allowed")
            records[place] = parse_policy(texts[0])
        except InvalidPolicyRecordError as error:
            if place == domain:
                ignored = (str(error),)
            continue
        if records[place].psd in ("y", "n"):
            break
    organization = _organization(domain, records)
    for place in (domain, organization, *records):
        if place in records:
            return Discovery(domain, records[place], place, organization, ignored=ignored)
    return Discovery(domain, None, "", organization, ignored=ignored)


def _organization(domain: str, records: dict[str, PolicyRecord]) -> str:
    """Section 4.10.2: one label below a public suffix's record, else the highest record found."""
    for place, record in records.items():
        if record.psd == "n":
            return place
        if record.psd == "y" and place != domain:
            labels = domain.split(".")
            return ".".join(labels[-(place.count(".") + 2) :])
    return min(records, key=lambda place: place.count("."), default=domain)


def aligned(one: Discovery, other: Discovery, strict: bool) -> bool:
    """Whether two domains count as one sender (section 4.4)."""
    if strict:
        return one.domain == other.domain
    return one.organization == other.organization
