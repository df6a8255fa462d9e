"""`mailfleet exporter`: health for Prometheus."""

import time

import click
from prometheus_client import CollectorRegistry, start_http_server

from mailfleet.cli.refuse import refuse
from mailfleet.components import COMPONENTS
from mailfleet.health.exporter import HealthCollector
from mailfleet.health.run import ask_fleet
from mailfleet.secrets import SecretsError
from mailfleet.settings.errors import SettingsError


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
    help="From the start of one look at the fleet to the next.",
)
@click.option("--sudo", is_flag=True, help="Ask with sudo, like pyinfra's own --sudo.")
def exporter(inventory: str, address: str, port: int, interval: int, sudo: bool) -> None:
    """Serve the results of `health` at /metrics for Prometheus, until it is stopped.

    Hosts are asked at the interval, one look after the other; a scrape asks nobody. While the
    description has a mistake, the last results stay and their timestamp grows old."""
    collector, registry = HealthCollector(), CollectorRegistry()
    registry.register(collector)
    try:
        start_http_server(port, address, registry)
    except OSError as error:
        refuse(f"{address}:{port}: {error.strerror}")
    click.echo(f"http://{address}:{port}/metrics", err=True)
    while True:
        started = time.monotonic()
        try:
            found = ask_fleet(COMPONENTS, inventory, sudo=sudo)
            collector.keep(found, time.monotonic() - started)
        except (SettingsError, SecretsError) as error:
            click.echo(f"mailfleet: {error}", err=True)
        time.sleep(max(0.0, interval - (time.monotonic() - started)))
