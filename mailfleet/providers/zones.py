"""What publishing needs of whoever serves a zone."""

from collections.abc import Collection, Sequence
from typing import Protocol

from mailfleet.dns.publish.plan import Change
from mailfleet.dns.publish.rrset import RRset
from mailfleet.dns.settings import CloudflareDns, DnsSettings, HetznerDns, LightsailDns, Rfc2136
from mailfleet.fleet.fleet import Fleet
from mailfleet.providers.cloudflare import CloudflareZone
from mailfleet.providers.hetzner_dns import HetznerZone
from mailfleet.providers.lightsail_dns import LightsailZone
from mailfleet.providers.rfc2136 import DynamicZone


class ServedZone(Protocol):
    """One zone at its provider. Every method raises ProviderError, one line with the remedy."""

    @property
    def TYPES(self) -> frozenset[str]:
        """The record types that it stores."""

    @property
    def label(self) -> str:
        """Who serves it, for people."""

    def read(self, names: Collection[str]) -> Sequence[RRset]:
        """All record sets of these names; perhaps those of others, too."""

    def write(self, changes: Sequence[Change]) -> None:
        """Make the changes, in order."""


def served_zone(fleet: Fleet, zone: str) -> ServedZone:
    """The zone at the provider that the settings name. Raises SecretsError."""
    match fleet[DnsSettings].zones[zone]:
        case Rfc2136() as settings:
            return DynamicZone(zone, settings, fleet.value(settings.secret))
        case HetznerDns(token=token):
            return HetznerZone(zone, fleet.value(token))
        case CloudflareDns(token=token):
            return CloudflareZone(zone, fleet.value(token))
        case LightsailDns(profile=profile):
            return LightsailZone(zone, profile)
