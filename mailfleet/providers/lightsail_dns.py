"""Zones at Amazon Lightsail.

API: https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_GetDomain.html
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mailfleet.dns.publish.plan import Change
from mailfleet.dns.publish.rrset import RRset, value_of
from mailfleet.providers.lightsail import refused, session_of
from mailfleet.providers.servers import ProviderError

if TYPE_CHECKING:
    from mypy_boto3_lightsail.client import LightsailClient
    from mypy_boto3_lightsail.type_defs import DomainEntryTypeDef

_REGION = "us-east-1"
"""The only one with the domain API (Lightsail, "DNS")."""
_RIGHTS = "lightsail:GetDomain and lightsail:*DomainEntry"


class LightsailZone:
    """One zone of an AWS account."""

    TYPES = frozenset({"A", "AAAA", "CNAME", "MX", "SRV", "TXT"})
    label = "Lightsail"

    def __init__(self, zone: str, profile: str | None) -> None:
        session, _ = session_of(profile)
        from botocore.config import Config

        config = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 2})
        self._zone = zone
        with _explained(zone):
            self._client: LightsailClient = session.client("lightsail", _REGION, config=config)
        self._ids: dict[tuple[str, str, str], str] = {}
        """Name, type and value -> the id of the entry."""

    def read(self, names: Collection[str]) -> Sequence[RRset]:
        self._ids.clear()
        found: dict[tuple[str, str], list[str]] = {}
        with _explained(self._zone):
            domain = self._client.get_domain(domainName=self._zone)["domain"]
        for entry in domain.get("domainEntries", []):
            name, kind = entry["name"].lower().removesuffix("."), entry["type"]
            # An alias is an A record without an address: Lightsail's own affair.
            if kind in self.TYPES and not entry.get("isAlias"):
                value = value_of(kind, _dotted(kind, entry["target"]))
                self._ids[name, kind, value] = entry["id"]
                found.setdefault((name, kind), []).append(value)
        return [RRset(*key, tuple(values)) for key, values in found.items()]

    def write(self, changes: Sequence[Change]) -> None:
        with _explained(self._zone):
            for change in changes:
                keys = {(change.name, change.type, value) for value in _values(change.before)}
                if not keys <= self._ids.keys():
                    # Written by this run: the API tells ids only when asked for all of them.
                    self.read(())
                for step in self._steps(change):
                    step()

    def _steps(self, change: Change) -> Iterator[Callable[[], object]]:
        """One value is one entry. What replaces another takes over its entry, so that the name is
        never without one."""
        old = [value for value in _values(change.before) if value not in _values(change.after)]
        new = [value for value in _values(change.after) if value not in _values(change.before)]
        while old and new:
            entry = self._entry(change, new.pop(0))
            entry["id"] = self._ids[change.name, change.type, old.pop(0)]
            yield lambda entry=entry: self._client.update_domain_entry(  # type: ignore[misc]
                domainName=self._zone, domainEntry=entry
            )
        for value in old:
            entry = self._entry(change, value)
            entry["id"] = self._ids[change.name, change.type, value]
            yield lambda entry=entry: self._client.delete_domain_entry(  # type: ignore[misc]
                domainName=self._zone, domainEntry=entry
            )
        for value in new:
            entry = self._entry(change, value)
            yield lambda entry=entry: self._client.create_domain_entry(  # type: ignore[misc]
                domainName=self._zone, domainEntry=entry
            )

    def _entry(self, change: Change, value: str) -> "DomainEntryTypeDef":
        line = RRset(change.name, change.type, (value,)).lines[0]
        target = line if change.type == "TXT" else line.removesuffix(".")
        return {"name": change.name, "type": change.type, "target": target, "isAlias": False}


def _values(rrset: RRset | None) -> tuple[str, ...]:
    return rrset.values if rrset else ()


def _dotted(kind: str, target: str) -> str:
    return f"{target.removesuffix('.')}." if kind in ("CNAME", "MX", "SRV") else target


@contextmanager
def _explained(zone: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise ProviderError(
            f"{zone}: {refused(error.response.get('Error', {}), _RIGHTS)}"
        ) from None
    except BotoCoreError as error:
        text = " ".join(str(error).split())
        raise ProviderError(f"{zone}: cannot query Lightsail: {text}") from None
