"""`mailfleet health`: is every part of the fleet well?"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from mailfleet.checks import formats
from mailfleet.checks.exit_codes import exit_code
from mailfleet.checks.result import CheckResult, Level
from mailfleet.cli.refuse import UsageErrorCommand, refuse
from mailfleet.cli.results import end_as_nagios, junit_option, nagios_option, write
from mailfleet.components.registry import COMPONENTS, SCHEMA
from mailfleet.fleet.errors import SettingsError
from mailfleet.health.fleet import SHOWN, ask_fleet
from mailfleet.secrets import SecretsError


def show(found: Sequence[CheckResult]) -> None:
    """A table in the order of hosts and components; what to do follows each line in need of it."""
    width = max((len(f"{result.component}: {result.name}") for result in found), default=0)
    hosts = max((len(result.host) for result in found), default=0)
    for result in found:
        status = click.style(f"{result.status.value:7}", SHOWN[result.status])
        name = f"{result.component}: {result.name}"
        click.echo(
            f"{result.host:{hosts}}  {status} {name:{width}}  {formats.plain(result.message)}"
        )
        if result.remedy:
            limit = f" ({result.limit})" if result.limit else ""
            click.echo(f"{'':{hosts}}          -> {result.remedy}{limit}")


@click.command(cls=UsageErrorCommand)
@click.argument("inventory")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(sorted(SCHEMA.roles)),
    metavar="ROLE",
    help="Ask only hosts with this role; may be repeated.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Ask only what each host knows at once: nothing from this machine, nothing that waits "
    "for others.",
)
@click.option("--full", is_flag=True, help="Ask everything; the default.")
@click.option(
    "--mail",
    is_flag=True,
    help="Ask everything, and send a message through each way, to be awaited in health_mailbox.",
)
@click.option("--sudo", is_flag=True, help="Ask with sudo, like pyinfra's own --sudo.")
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
        found = ask_fleet(COMPONENTS, inventory, roles, sudo, level)
        if junit:
            write(junit, formats.junit(f"Health of {inventory}", found))
    except (SettingsError, SecretsError) as error:
        refuse(str(error), as_nagios)
    except OSError as error:
        refuse(f"{error.filename}: {error.strerror}", as_nagios)
    if as_nagios:
        end_as_nagios("HEALTH", found)
    if as_json:
        click.echo(json.dumps([asdict(result) for result in found], indent=2))
    else:
        show(found)
    sys.exit(exit_code(result.status for result in found))
