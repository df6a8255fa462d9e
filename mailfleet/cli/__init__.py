"""`mailfleet`: what pyinfra's own command line cannot do. One module per command group."""

# pyinfra talks to several hosts at once by gevent, which must come before the modules it patches.
from gevent import monkey

monkey.patch_all()

import click

from mailfleet.cli.alias import alias
from mailfleet.cli.diagnose import diagnose
from mailfleet.cli.dns import dns
from mailfleet.cli.drift import drift
from mailfleet.cli.exporter import exporter
from mailfleet.cli.health import health
from mailfleet.cli.lab import lab
from mailfleet.cli.postal import postal
from mailfleet.cli.queue import queue
from mailfleet.cli.report import report
from mailfleet.cli.secrets import secrets
from mailfleet.cli.settings import render, settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mailfleet")
def main() -> None:
    """Run your own mail infrastructure from one description."""


for command in (
    alias,
    diagnose,
    dns,
    drift,
    exporter,
    health,
    lab,
    postal,
    queue,
    render,
    report,
    secrets,
    settings,
):
    main.add_command(command)
