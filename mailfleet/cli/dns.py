"""`mailfleet dns`: the records that the fleet needs."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict

import click
from pydantic import TypeAdapter, ValidationError

from mailfleet.cli.settings import fleet_or_exit
from mailfleet.components import base, postal
from mailfleet.components.postal.records import records as postal_records
from mailfleet.components.postal.records import sending_domain_records
from mailfleet.dns.record import ConflictingRecords, Record, merge
from mailfleet.dns.zone import TTL, zone_text
from mailfleet.secrets import SecretsError
from mailfleet.settings.errors import SettingsError
from mailfleet.settings.fleet import Fleet
from mailfleet.settings.types import HostName

_HOST_NAME: TypeAdapter[str] = TypeAdapter(HostName)


def desired_records(fleet: Fleet, domains: Sequence[str] = ()) -> list[Record]:
    """Every record that the fleet needs, and those of domains that send through its Postal. Raises
    SettingsError, SecretsError and ConflictingRecords."""
    found = [*postal_records(fleet), *base.records(fleet)]
    if domains and not fleet.with_role(*postal.ROLES):
        raise ConflictingRecords("domains send through Postal, and no host has its role")
    for domain in domains:
        found += sending_domain_records(fleet, domain)
    return merge(found)


def desired_or_exit(inventory: str, domains: Sequence[str]) -> list[Record]:
    """The records; prints what is wrong and exits 1 otherwise."""
    fleet = fleet_or_exit(inventory)
    try:
        return desired_records(fleet, domains)
    except (SettingsError, SecretsError, ConflictingRecords) as error:
        click.echo(f"mailfleet: {error}", err=True)
        sys.exit(1)


def _domain(context: click.Context, parameter: click.Parameter, value: Iterable[str]) -> list[str]:
    try:
        return [_HOST_NAME.validate_python(name) for name in value]
    except ValidationError as error:
        wrong = error.errors()[0]
        raise click.BadParameter(f"{wrong['input']}: {wrong['msg']}") from None


domains_argument = click.argument("domains", metavar="[DOMAIN]...", nargs=-1, callback=_domain)


@click.group()
def dns() -> None:
    """DNS: which records the fleet needs.

    DOMAINs are those that send through Postal."""


@dns.command()
@click.argument("inventory")
@domains_argument
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
def records(inventory: str, domains: list[str], as_json: bool) -> None:
    """Print every record the fleet needs, and why."""
    wanted = desired_or_exit(inventory, domains)
    if as_json:
        click.echo(json.dumps([asdict(record) for record in wanted], indent=2))
        return
    for record in wanted:
        click.echo(click.style(f"{record.name} {record.type}", bold=True))
        for line in record.lines:
            click.echo(f"    {line}")
        click.echo(f"    {record.severity}: {record.why}")
        click.echo(click.style(f"    {record.source}", dim=True))


@dns.command()
@click.argument("inventory")
@domains_argument
@click.option(
    "--origin",
    "origins",
    multiple=True,
    callback=_domain,
    help="A zone of yours; may be repeated. Default: the longest parent common to names.",
)
@click.option("--ttl", default=TTL, show_default=True, type=click.IntRange(1, 2**31 - 1))
def zone(inventory: str, domains: list[str], origins: list[str], ttl: int) -> None:
    """Print the records as zone file snippets (BIND, NSD, Knot; most web forms import them)."""
    click.echo(zone_text(desired_or_exit(inventory, domains), origins, ttl), nl=False)
