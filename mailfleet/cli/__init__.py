"""`mailfleet`: what pyinfra's own command line cannot do. One module per command group."""

import click

from mailfleet.cli.lab import lab
from mailfleet.cli.secrets import secrets
from mailfleet.cli.settings import render, settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mailfleet")
def main() -> None:
    """Run your own mail infrastructure from one description."""


for command in (lab, render, secrets, settings):
    main.add_command(command)
