"""MTA-STS policies (RFC 8461 section 3.2).

SMTP falls back to plain text when an attacker hides STARTTLS. With MTA-STS a domain publishes a
policy at https://mta-sts.DOMAIN/.well-known/mta-sts.txt that names its MX hosts; in mode enforce
senders deliver to these only, and only with a verified certificate. The TXT record
_mta-sts.DOMAIN announces the policy; a new id in it tells senders to fetch the policy again."""

import hashlib
import re
from dataclasses import dataclass

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}\Z")
MODES = ("enforce", "testing", "none")
MAX_AGE = 31557600
"""Seconds, a year."""


class InvalidPolicyError(ValueError):
    """Text that senders cannot use."""


@dataclass(frozen=True)
class StsPolicy:
    """What senders are told about the MX hosts of a domain."""

    mode: str
    max_age: int
    """Seconds."""
    mx: tuple[str, ...] = ()
    """Host names; `*.` stands for one label."""

    @property
    def text(self) -> str:
        """The file as a web server serves it, its lines separated by CRLF."""
        lines = ["version: STSv1", f"mode: {self.mode}"]
        lines += [f"mx: {host}" for host in self.mx]
        return "\r\n".join([*lines, f"max_age: {self.max_age}", ""])

    @property
    def id(self) -> str:
        """Another one for every other policy (section 3.1)."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    def covers(self, host: str) -> bool:
        """Whether mail may go to this MX host (section 4.1)."""
        parent = host.partition(".")[2]
        return any(pattern in (host, f"*.{parent}") for pattern in self.mx)


def url_of(domain: str) -> str:
    return f"https://mta-sts.{domain}/.well-known/mta-sts.txt"


def parse_policy(text: str) -> StsPolicy:
    """Read a policy. Of keys that stand there twice the first counts. Raises InvalidPolicyError."""
    fields: dict[str, str] = {}
    mx = []
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    for line in (line for line in lines if line):
        key, _, value = (part.strip(" \t") for part in line.partition(":"))
        if not value or not _KEY.match(key):
            raise InvalidPolicyError(f"not a line of a policy: {line[:40]!r}")
        if key == "mx":
            mx.append(value.lower())
        else:
            fields.setdefault(key, value)
    if fields.get("version") != "STSv1":
        raise InvalidPolicyError("there is no line `version: STSv1`")
    if fields.get("mode") not in MODES:
        raise InvalidPolicyError(f"mode is none of {', '.join(MODES)}")
    age = fields.get("max_age", "")
    if not re.fullmatch(r"\d{1,10}", age, re.ASCII) or int(age) > MAX_AGE:
        raise InvalidPolicyError(f"max_age is no number of seconds up to {MAX_AGE}")
    if not mx and fields["mode"] != "none":
        raise InvalidPolicyError("no mx is named")
    return StsPolicy(fields["mode"], int(age), tuple(mx))
