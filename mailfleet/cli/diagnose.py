"""`mailfleet diagnose`: why did a message not arrive?"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from mailfleet.checks.formats import plain
from mailfleet.cli.dns import server_option
from mailfleet.cli.refuse import refuse
from mailfleet.cli.settings import fleet_or_exit
from mailfleet.diagnose.diagnosis import Diagnosis
from mailfleet.diagnose.run import dns_of, why
from mailfleet.dns.checks.check_run import NoServerAnswersError
from mailfleet.dns.finding import Finding
from mailfleet.dns.record import ConflictingRecordsError
from mailfleet.dns.resolve.server import Address
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.types import EmailAddress
from mailfleet.secrets import SecretsError

_ADDRESS: TypeAdapter[str] = TypeAdapter(EmailAddress)


def _address(context: click.Context, parameter: click.Parameter, value: str) -> str:
    try:
        return _ADDRESS.validate_python(value)
    except ValidationError:
        raise click.BadParameter(f"{value}: write it as name@example.com") from None


@click.command()
@click.argument("inventory")
@click.option("--to", required=True, callback=_address, metavar="ADDRESS", help="The recipient.")
@click.option("--message-id", metavar="ID", help="The Message-ID header of one message.")
@click.option(
    "--log",
    type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True),
    help="The application's log, or the relevant part of it; `-` is standard input.",
)
@server_option
@click.option("--sudo", is_flag=True, help="Use sudo on the hosts, like pyinfra's --sudo.")
@click.option("--json", "as_json", is_flag=True, help="Print the diagnosis as JSON.")
def diagnose(
    inventory: str,
    to: str,
    message_id: str | None,
    log: Path | None,
    servers: list[Address],
    sudo: bool,
    as_json: bool,
) -> None:
    """Find out why a message was not delivered. Changes nothing.

    Searches Postal, Postfix, the e-mail API and the logs of other containers on the hosts, and
    prints the cause, the evidence and the remedy. Pass the log of an application that runs
    elsewhere with --log.

    Without --message-id, the last message of the last 72 hours is diagnosed.

    Exits 0 if the cause was found, 3 if not."""
    fleet = fleet_or_exit(inventory)
    try:
        lines = _lines(log)
        found = why(inventory, to, message_id, lines, sudo)
    except SettingsError as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"{error.filename}: {error.strerror}")
    dns: Sequence[Finding] = ()
    try:
        if found.cause.dns:
            dns = dns_of(fleet, found.cause.dns, servers)
        told = ""
    except (NoServerAnswersError, SecretsError, ConflictingRecordsError) as error:
        told = str(error)
    if as_json:
        click.echo(json.dumps({**asdict(found), "dns": [asdict(one) for one in dns]}, indent=2))
    else:
        _show(found, dns, told)
    sys.exit(found.exit_code)


def _lines(log: Path | None) -> list[str]:
    if log is None:
        return []
    if str(log) == "-" and sys.stdin is None:
        refuse("--log -: standard input is closed")
    with click.open_file(str(log), errors="replace") as file:
        return [line.rstrip("\n") for line in file]


def _show(found: Diagnosis, dns: Sequence[Finding], dns_error: str) -> None:
    for line in found.unanswered:
        click.echo(f"mailfleet: no answer: {plain(line)}", err=True)
    for step in found.steps:
        click.echo(f"{step.question:20} {plain(step.answer)}")
    cause = found.cause
    click.echo(f"{'cause':20} {click.style(plain(cause.cause), bold=True)}")
    for line in cause.evidence:
        click.echo(f"{'evidence':20} {plain(line)}")
    if cause.dns:
        for one in dns:
            line = f"{one.verdict} {one.name} {one.type}: found {one.found}, "
            line += f"expected {one.expected}"
            click.echo(f"{'DNS ' + cause.dns:20} {plain(line)}")
        if not dns:
            click.echo(f"{'DNS ' + cause.dns:20} {plain(dns_error) or 'nothing wrong now'}")
    click.echo(f"{'remedy':20} {plain(cause.remedy)}")
