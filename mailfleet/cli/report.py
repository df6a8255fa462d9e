"""`mailfleet report`: one page about the whole fleet."""

import sys
from pathlib import Path

import click

from mailfleet.checks.exit_codes import exit_code
from mailfleet.cli.dns import server_option
from mailfleet.cli.refuse import refuse
from mailfleet.cli.results import OutputFile, write
from mailfleet.converge.session import RunAbortedError
from mailfleet.dns.record import ConflictingRecordsError
from mailfleet.dns.resolve.server import Address
from mailfleet.fleet.errors import SettingsError
from mailfleet.report.fleet import ask
from mailfleet.secrets import SecretsError
from mailfleet.templates import TemplateProblemError


@click.command()
@click.argument("inventory")
@click.option(
    "-o",
    "--output",
    required=True,
    type=OutputFile(),
    help="The HTML file to write.",
)
@server_option
@click.option("--sudo", is_flag=True, help="Use sudo on the hosts, like pyinfra's --sudo.")
def report(inventory: str, output: Path, servers: list[Address], sudo: bool) -> None:
    """Write an HTML page about the fleet: hosts, versions, health, drift, DNS, certificates, queues
    and the last deploys.

    The page is self-contained. It names hosts and addresses, and no secret.
    Exits 0 if nothing needs attention, 2 if something fails or differs, 3 if something is
    unreachable or unknown; the page is written in each case."""
    try:
        status = ask(inventory, servers, sudo)
        write(output, status.page())
    except (
        SettingsError,
        SecretsError,
        TemplateProblemError,
        RunAbortedError,
        ConflictingRecordsError,
    ) as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"{error.filename}: {error.strerror}")
    click.echo(output)
    sys.exit(exit_code(status.statuses))
