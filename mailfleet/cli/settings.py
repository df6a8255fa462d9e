"""`mailfleet settings` and `mailfleet render`: settings and files of hosts, without contacting
them."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import click

from mailfleet.cli.refuse import refuse
from mailfleet.components.registry import SCHEMA
from mailfleet.deploying.desired import desired_bundles
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.load import load_fleet
from mailfleet.fleet.reference import reference
from mailfleet.secrets import SecretsError
from mailfleet.templates import TemplateProblemError


def fleet_or_exit(inventory: str) -> Fleet:
    """The fleet. Prints its configuration errors and exits 1 if there are any."""
    try:
        return load_fleet(inventory, SCHEMA)
    except SettingsError as error:
        refuse(str(error))


def hosts_or_exit(fleet: Fleet, name: str | None) -> Iterable[Host]:
    """All hosts, or the named one."""
    if name is None:
        return fleet.hosts.values()
    if name not in fleet.hosts:
        known = ", ".join(fleet.hosts)
        refuse(f"no host {name}; the inventory has {known}")
    return [fleet.hosts[name]]


@click.command()
@click.argument("inventory", required=False)
@click.argument("host", required=False)
@click.option("--all", "with_defaults", is_flag=True, help="Show defaults too.")
@click.option(
    "--reference",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the reference of all settings into this directory instead.",
)
def settings(
    inventory: str | None, host: str | None, with_defaults: bool, directory: Path | None
) -> None:
    """Show each host's effective settings and where each value is set."""
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in reference(SCHEMA).items():
            (directory / name).write_text(text, encoding="utf-8")
        return
    if inventory is None:
        raise click.UsageError("name an inventory, such as inventories/prod.py")
    fleet = fleet_or_exit(inventory)
    for shown in hosts_or_exit(fleet, host):
        click.echo(click.style(shown.name, bold=True) + f"  ({', '.join(sorted(shown.roles))})")
        for key, value, origin in _rows(shown, with_defaults):
            click.echo(f"  {key:34} {value:50} {click.style(origin, dim=True)}")


def _rows(host: Host, with_defaults: bool) -> Iterable[tuple[str, str, str]]:
    for model in host.configured():
        if not SCHEMA.configures(type(model), host.roles):
            continue
        for key, value in model.values().items():
            origin = host.origins[key]
            if with_defaults or origin != "default":
                shown = repr(str(value)) if "IPv" in type(value).__name__ else repr(value)
                yield key, shown, origin


@click.command()
@click.argument("inventory")
@click.argument("host")
@click.option("--reveal", is_flag=True, help="Write secrets in plain text. Default: masked.")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the files below this directory instead of printing them.",
)
def render(inventory: str, host: str, reveal: bool, output: Path | None) -> None:
    """Render every file of a host, without contacting the host."""
    fleet = replace(fleet_or_exit(inventory), masked=not reveal)
    (rendered,) = hosts_or_exit(fleet, host)
    try:
        bundles, _ = desired_bundles(fleet, rendered)
        files = [item for bundle in bundles.values() for item in bundle.files]
    except (TemplateProblemError, SecretsError) as error:
        refuse(str(error))
    for item in files:
        if output is None:
            header = f"# {item.path}  mode {item.mode:o}, owner {item.uid}:{item.gid}"
            click.echo(click.style(header, bold=True))
            click.echo(item.content.decode())
            continue
        target = output / item.path.removeprefix("/")
        try:
            _write_private(target, item.content)
        except OSError as error:
            refuse(f"{target}: {error.strerror}")


def _write_private(file: Path, content: bytes) -> None:
    """Always a new file: an existing one may be readable for others, or a link. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    with open(file, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as new:
        new.write(content)
