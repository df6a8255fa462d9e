"""Every DNS record that the fleet needs."""

from collections.abc import Sequence

from mailfleet.components.postal.records import sending_domain_records
from mailfleet.components.postal.settings import PostalSettings, postal_hosts
from mailfleet.components.registry import COMPONENTS
from mailfleet.dns.desired.domains import (
    bimi_records,
    rotated_key_records,
    sts_records,
    unused_domain_records,
)
from mailfleet.dns.desired.senders import sender_records
from mailfleet.dns.desired.services import dane_records
from mailfleet.dns.record import ConflictingRecordsError, Record, merge
from mailfleet.fleet.fleet import Fleet


def signing_selectors(fleet: Fleet, domain: str) -> set[str]:
    """The DKIM selectors that components use to sign mail of a domain. Raises SettingsError and
    SecretsError."""
    suffix = f"._domainkey.{domain}"
    return {
        record.name.removesuffix(suffix)
        for component in COMPONENTS
        if component.records
        for record in component.records(fleet)
        if record.name.endswith(suffix)
    }


def desired_records(fleet: Fleet, domains: Sequence[str] = ()) -> list[Record]:
    """Every record that the fleet needs, and those of further domains that send through its
    Postal. Raises SettingsError, SecretsError and ConflictingRecordsError."""
    records = [
        record
        for component in COMPONENTS
        if component.records
        for record in component.records(fleet)
    ]
    if domains and not postal_hosts(fleet):
        raise ConflictingRecordsError("domains send through Postal, and no host has its role")
    for domain in domains:
        if domain not in fleet[PostalSettings].sending_domains:
            records += sending_domain_records(fleet, domain)
    # Last: the fleet's own senders come first in SPF, where they cost the fewest lookups.
    records += sender_records(fleet)
    return merge(
        [
            *records,
            *rotated_key_records(fleet, records),
            *sts_records(fleet),
            *bimi_records(fleet),
            *dane_records(fleet),
            *unused_domain_records(fleet),
        ]
    )
