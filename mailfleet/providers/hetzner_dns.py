"""Zones and reverse DNS at Hetzner. API: https://docs.hetzner.cloud/reference/cloud#zones"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, get_args

from mailfleet.dns.publish.plan import Change
from mailfleet.dns.publish.rrset import RRset, value_of
from mailfleet.dns.record import RecordType
from mailfleet.dns.zone import absolute, address_of, relative
from mailfleet.providers.hetzner import client
from mailfleet.providers.servers import ProviderError
from mailfleet.secrets import Secret

if TYPE_CHECKING:
    from hcloud.actions import BoundAction
    from hcloud.zones import BoundZone

_DEFAULT_NAME = re.compile(r"static\..+\.clients\.your-server\.de")


class HetznerZone:
    """One zone of a Hetzner Cloud project."""

    TYPES = frozenset(get_args(RecordType))
    label = "Hetzner"

    def __init__(self, zone: str, token: Secret) -> None:
        self._name = zone
        self._client = client(token.reveal(), "the token of dns_zones")

    def read(self, names: Collection[str]) -> Sequence[RRset]:
        with _explained(self._name):
            zone = self._zone()
            return [
                RRset(
                    absolute(found.name or "@", self._name),
                    str(found.type),
                    tuple(value_of(str(found.type), item.value) for item in found.records or []),
                    found.ttl or zone.ttl,
                )
                for found in zone.get_rrset_all()
                if found.type in self.TYPES
            ]

    def _zone(self) -> "BoundZone":
        return self._client.zones.get(self._name)

    def write(self, changes: Sequence[Change]) -> None:
        with _explained(self._name):
            zone = self._zone()
            for change in changes:
                for step in self._steps(zone, change):
                    # One at a time: the API locks the zone while it works.
                    step().wait_until_finished()

    def _steps(self, zone: "BoundZone", change: Change) -> Iterator[Callable[[], "BoundAction"]]:
        from hcloud.zones import ZoneRecord, ZoneRRSet

        name = relative(change.name, self._name)
        kind: Any = change.type
        known = ZoneRRSet(name=name, type=kind, zone=zone)
        if change.after is None:
            yield lambda: zone.delete_rrset(known).action
            return
        ttl, records = change.after.ttl, [ZoneRecord(line) for line in change.after.lines]
        if change.before is None:
            yield lambda: zone.create_rrset(name=name, type=kind, ttl=ttl, records=records).action
            return
        if set(change.before.values) != set(change.after.values):
            yield lambda: zone.set_rrset_records(known, records)
        if change.before.ttl != ttl:
            yield lambda: zone.change_rrset_ttl(known, ttl)


class HetznerReverse:
    """PTR records of the addresses that a project rents, as if they were one zone."""

    TYPES = frozenset({"PTR"})
    label = "Hetzner"

    def __init__(self, token: Secret) -> None:
        self._client = client(token.reveal(), "the token of dns_reverse")
        self._addresses: list[Any] | None = None

    def rents(self, name: str) -> bool:
        """Whether the address of a reverse name belongs to the project."""
        with _explained("reverse DNS"):
            return _holder(address_of(name), self._rented()) is not None

    def read(self, names: Collection[str]) -> Sequence[RRset]:
        """Names that someone chose; those that Hetzner gives to every address count as none."""
        self._addresses = None
        with _explained("reverse DNS"):
            rented = self._rented()
            found = []
            for name in names:
                address = address_of(name)
                holder = _holder(address, rented)
                # For IPv6 the API lists those addresses of a /64 that have a name.
                named = {str(ip_address(one["ip"])): one["dns_ptr"] for one in holder.dns_ptr or []}
                target = named.get(address)
                if target and not _DEFAULT_NAME.fullmatch(target):
                    found.append(RRset(name, "PTR", (target,)))
            return found

    def write(self, changes: Sequence[Change]) -> None:
        with _explained("reverse DNS"):
            for change in changes:
                if change.after:
                    address = address_of(change.name)
                    holder = _holder(address, self._rented())
                    holder.change_dns_ptr(address, change.after.values[0]).wait_until_finished()

    def _rented(self) -> list[Any]:
        if self._addresses is None:
            self._addresses = [
                *self._client.primary_ips.get_all(),
                *self._client.floating_ips.get_all(),
            ]
        return self._addresses


def _holder(address: str, rented: Sequence[Any]) -> Any:
    """The primary or floating IP that an address belongs to; None if it is not of the project."""
    return next((one for one in rented if ip_address(address) in ip_network(one.ip)), None)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    from hcloud import APIException, HCloudException
    from requests import RequestException

    try:
        yield
    except APIException as error:
        remedies = {
            "unauthorized": "make a new token with the right to write, in the console, project > "
            "Security > API tokens",
            "forbidden": "the token may only read: make one with the right to write",
            "not_found": "this project has no such zone: check dns_zones and the token's project",
        }
        remedy = remedies.get(str(error.code), "see https://status.hetzner.com")
        raise ProviderError(
            f"{what}: the Hetzner API answers: {error.message} ({error.code}): {remedy}"
        ) from None
    except (HCloudException, RequestException) as error:
        # Only its kind: the text of some of these errors holds request headers, so the token.
        raise ProviderError(
            f"{what}: the Hetzner API cannot be used ({type(error).__name__}): try again"
        ) from None
