"""The records of an inventory, for every `mailfleet dns` command."""

from collections.abc import Sequence

from mailfleet.cli.refuse import refuse
from mailfleet.cli.settings import fleet_or_exit
from mailfleet.deploying.records import desired_records
from mailfleet.dns.record import ConflictingRecordsError, Record
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.fleet import Fleet
from mailfleet.secrets import SecretsError


def fleet_and_records_or_exit(
    inventory: str, domains: Sequence[str] = ()
) -> tuple[Fleet, list[Record]]:
    """The fleet with its desired records. On an error prints it and exits 1."""
    fleet = fleet_or_exit(inventory)
    try:
        return fleet, desired_records(fleet, domains)
    except (SettingsError, SecretsError, ConflictingRecordsError) as error:
        refuse(str(error))
