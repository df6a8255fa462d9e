"""`mailfleet health`."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from mailfleet.checks import formats
from mailfleet.checks.exit_codes import exit_code
from mailfleet.checks.result import Level
from mailfleet.checks.terminal import table
from mailfleet.cli.refuse import UsageErrorCommand, refuse
from mailfleet.cli.results import end_as_nagios, junit_option, nagios_option, write
from mailfleet.components.registry import COMPONENTS, SCHEMA
from mailfleet.fleet.errors import SettingsError
from mailfleet.health.fleet import ask_fleet
from mailfleet.secrets import SecretsError


@click.command(cls=UsageErrorCommand)
@click.argument("inventory")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(sorted(SCHEMA.roles)),
    metavar="ROLE",
    help="Only hosts with this role; may be repeated.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Only checks that a host answers at once, without other machines.",
)
@click.option("--full", is_flag=True, help="All checks but --mail; the default.")
@click.option(
    "--mail",
    is_flag=True,
    help="All checks; also send a message by each route and wait for it in health_mailbox.",
)
@click.option("--sudo", is_flag=True, help="Use sudo on the hosts, like pyinfra's --sudo.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@nagios_option
@junit_option
def health(
    inventory: str,
    roles: tuple[str, ...],
    quick: bool,
    full: bool,
    mail: bool,
    sudo: bool,
    as_json: bool,
    as_nagios: bool,
    junit: Path | None,
) -> None:
    """Run health checks on every host.

    Exits 0 if all checks are ok or warn, 2 if a check fails, 3 if none fails but a host is
    unreachable or a result unknown."""
    if quick + full + mail > 1:
        raise click.UsageError("give one of --quick, --full and --mail")
    level = Level.QUICK if quick else Level.MAIL if mail else Level.FULL
    try:
        results = ask_fleet(COMPONENTS, inventory, roles, sudo, level)
        if junit:
            write(junit, formats.junit(f"Health of {inventory}", results))
    except (SettingsError, SecretsError) as error:
        refuse(str(error), as_nagios)
    except OSError as error:
        refuse(f"{error.filename}: {error.strerror}", as_nagios)
    if as_nagios:
        end_as_nagios("HEALTH", results)
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results], indent=2))
    else:
        for line in table(results):
            click.echo(line)
    sys.exit(exit_code(result.status for result in results))
