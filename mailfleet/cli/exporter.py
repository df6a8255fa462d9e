"""`mailfleet exporter`: health for Prometheus."""

import time

import click
from prometheus_client import CollectorRegistry, start_http_server

from mailfleet.checks.result import Level
from mailfleet.cli.refuse import refuse
from mailfleet.cli.settings import fleet_or_exit
from mailfleet.components.registry import COMPONENTS
from mailfleet.fleet.errors import SettingsError
from mailfleet.health.exporter import HealthCollector
from mailfleet.health.fleet import ask_fleet
from mailfleet.secrets import SecretsError


@click.command()
@click.argument("inventory")
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    metavar="IP",
    help="Where to listen. There is no password and no TLS: keep it private.",
)
@click.option(
    "--port", default=9469, show_default=True, type=click.IntRange(1, 65535), help="TCP port."
)
@click.option(
    "--interval",
    default=60,
    show_default=True,
    type=click.IntRange(10, 86400),
    metavar="SECONDS",
    help="Time between the starts of two runs of the checks of `health --quick`.",
)
@click.option(
    "--full-interval",
    default=900,
    show_default=True,
    type=click.IntRange(10, 86400),
    metavar="SECONDS",
    help="Time between two runs of all checks, external ones included.",
)
@click.option("--sudo", is_flag=True, help="Use sudo on the hosts, like pyinfra's --sudo.")
def exporter(
    inventory: str, address: str, port: int, interval: int, full_interval: int, sudo: bool
) -> None:
    """Serve the results of `health` at /metrics for Prometheus, until it is stopped.

    Checks run at the interval, one run after the other; a scrape returns the last results and
    contacts no host. Results of full runs stay until the next full run. A configuration error ends
    the exporter at its start; later, the last results stay, with their old timestamps."""
    fleet_or_exit(inventory)
    collector, registry = HealthCollector(), CollectorRegistry()
    registry.register(collector)
    try:
        start_http_server(port, address, registry)
    except OSError as error:
        refuse(f"{address}:{port}: {error.strerror}")
    click.echo(f"http://{address}:{port}/metrics", err=True)
    full_due = time.monotonic()
    while True:
        started = time.monotonic()
        level = Level.FULL if started >= full_due else Level.QUICK
        try:
            found = ask_fleet(COMPONENTS, inventory, sudo=sudo, level=level)
            collector.keep(found, time.monotonic() - started, level)
            if level is Level.FULL:
                full_due = started + full_interval
        except (SettingsError, SecretsError) as error:
            click.echo(f"mailfleet: {error}", err=True)
        time.sleep(max(0.0, interval - (time.monotonic() - started)))
