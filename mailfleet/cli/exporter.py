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
    help="From the start of one look at the fleet to the next, as `health --quick` asks.",
)
@click.option(
    "--full-interval",
    default=900,
    show_default=True,
    type=click.IntRange(10, 86400),
    metavar="SECONDS",
    help="How often a look asks everything: from this machine, other servers and blocklists too.",
)
@click.option("--sudo", is_flag=True, help="Ask with sudo, like pyinfra's own --sudo.")
def exporter(
    inventory: str, address: str, port: int, interval: int, full_interval: int, sudo: bool
) -> None:
    """Serve the results of `health` at /metrics for Prometheus, until it is stopped.

    Hosts are asked at the interval, one look after the other; a scrape asks nobody. Results that
    only a full look finds stay until the next one. A description with a mistake ends it at the
    start; later on the last results stay meanwhile, and their timestamps grow old."""
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
