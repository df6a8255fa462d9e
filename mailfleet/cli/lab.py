"""`mailfleet lab`: bring the test fleet up and down."""

import dataclasses
import json
import os
from typing import Any

import click

try:
    from lab.topology import MAX_EXTRA
except ModuleNotFoundError as error:
    if error.name not in ("lab", "lab.topology"):
        raise
    # An installed package: _LabGroup reports it.
    MAX_EXTRA = 0


class _LabGroup(click.Group):
    """Reports errors of the lab without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        if not MAX_EXTRA:
            raise click.ClickException("the lab needs a checkout of the mailfleet repository")
        from lab.errors import LabError

        try:
            return super().invoke(ctx)
        except LabError as error:
            message = str(error)
        except ModuleNotFoundError as error:
            if error.name != "docker":
                raise
            message = "the lab needs the Docker SDK: run `make lab`, or `pip install docker`"
        raise click.ClickException(message)


@click.group(cls=_LabGroup)
def lab() -> None:
    """Run the test fleet: Debian machines in containers on this machine."""


@lab.command()
@click.option(
    "--extra",
    type=click.IntRange(0, MAX_EXTRA),
    default=0,
    metavar="N",
    help="Start N more empty hosts (postal3 and up), for benchmarks.",
)
@click.option(
    "--install-engine",
    is_flag=True,
    help="Install and start Debian's docker.io if no Docker Engine is running.",
)
@click.option(
    "--no-images",
    is_flag=True,
    help="Start the hosts only; `mailfleet lab images` fills the registry.",
)
def up(extra: int, install_engine: bool, no_images: bool) -> None:
    """Build what is missing and start every host that is not running."""
    from lab.fleet import up

    up(extra=extra, install_engine=install_engine, images=not no_images, say=click.echo)


@lab.command()
@click.option("--tests", is_flag=True, help="Include the images that only tests use.")
def images(tests: bool) -> None:
    """Build the images that hosts pull, and publish them in the lab's registry."""
    from lab.fleet import publish

    publish(tests=tests, say=click.echo)


@lab.command()
@click.option(
    "--keep-images", is_flag=True, help="Keep built images, so that the next `up` is faster."
)
def down(keep_images: bool) -> None:
    """Remove every host, network, volume and image of this lab, and .lab."""
    from lab.cleanup import down

    down(keep_images=keep_images, say=click.echo)


@lab.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Show each host's address, SSH port and state. Exits 1 unless all hosts are up."""
    from lab.report import status

    hosts = status()
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(host) for host in hosts], indent=2))
    else:
        for host in hosts:
            click.echo(f"{host.name:<10} {host.address:<15} {host.ssh:<24} {host.state}")
    if not all(host.ok for host in hosts):
        raise click.exceptions.Exit(1)


@lab.command()
def guide() -> None:
    """Show addresses and logins of the lab, and the next commands."""
    from lab.guide import guide
    from lab.state import read_lab

    click.echo(guide(read_lab()))


@lab.command()
def mail() -> None:
    """Send a message from internet1 to an alias of mx1 and show the delivered message."""
    from lab.mail import mail
    from lab.state import read_lab

    click.echo(mail(read_lab()))


@lab.command(context_settings={"ignore_unknown_options": True})
@click.argument("host")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh(host: str, command: tuple[str, ...]) -> None:
    """Log in to HOST, or run COMMAND on it."""
    from lab.ssh import arguments
    from lab.state import LabError, read_lab

    words = [*arguments(read_lab(), host), *command]
    try:
        os.execvp("ssh", words)
    except FileNotFoundError:
        raise LabError("ssh is missing: run `apt-get install openssh-client`") from None
