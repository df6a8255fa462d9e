"""The records of an inventory, for every `mailfleet dns` command."""

import sys
from collections.abc import Sequence

import click

from mailfleet.cli.settings import fleet_or_exit
from mailfleet.deploying.records import desired_records
from mailfleet.dns.record import ConflictingRecordsError, Record
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.fleet import Fleet
from mailfleet.secrets import SecretsError


def desired_or_exit(inventory: str, domains: Sequence[str]) -> list[Record]:
    """The records; prints what is wrong and exits 1 otherwise."""
    return fleet_and_records_or_exit(inventory, domains)[1]


def fleet_and_records_or_exit(
    inventory: str, domains: Sequence[str] = ()
) -> tuple[Fleet, list[Record]]:
    """The fleet with its records; prints what is wrong and exits 1 otherwise."""
    fleet = fleet_or_exit(inventory)
    try:
        return fleet, desired_records(fleet, domains)
    except (SettingsError, SecretsError, ConflictingRecordsError) as error:
        click.echo(f"mailfleet: {error}", err=True)
        sys.exit(1)
