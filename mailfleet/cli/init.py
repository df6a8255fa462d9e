"""`mailfleet init`: an operator's own repository."""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TypeVar

import click

from mailfleet.cli.init_repository import (
    INVENTORY,
    LAB_INVENTORY,
    PROVIDERS,
    NewFleet,
    NewHost,
    lab_repository,
    next_commands,
    postal_smtp_name,
    repository,
)
from mailfleet.cli.refuse import UsageErrorCommand, refuse
from mailfleet.components.registry import SCHEMA
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.load import load_fleet
from mailfleet.fleet.types import email_address, host_name

_SENDS = ("postal", "database", "caddy")
_RECEIVES = ("mailserver", "email_api", "caddy")

_Addresses = tuple[IPv4Address, IPv6Address | None, IPv4Address | None]
_Value = TypeVar("_Value")


@click.command(cls=UsageErrorCommand)
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--domain", help="Your domain, such as example.com.")
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME=ADDRESS[,ADDRESS]",
    help="A host and its public IPv4 address; its public IPv6 address and its IPv4 address on the "
    "private network may follow. Repeatable.",
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="NAME=ROLE[,ROLE]",
    help="Roles of a host. Repeatable. Default: mailserver,email_api,caddy for a host whose name "
    "begins with mx, else postal,database,caddy.",
)
@click.option(
    "--provider",
    "providers",
    multiple=True,
    metavar="[NAME=]PROVIDER",
    help="Where a host, or every host, is: hetzner, lightsail or other. Default: other.",
)
@click.option(
    "--contact",
    help="Address for notices of the certificate authority and for mail to postmaster. Default: "
    "postmaster@DOMAIN.",
)
@click.option(
    "--relay",
    help="SMTP relay that takes what the e-mail API forwards. Default: Postal in this fleet, else "
    "smtp.DOMAIN.",
)
@click.option("--lab", is_flag=True, help="For the lab of the checkout that mailfleet runs from.")
@click.option("--no-input", is_flag=True, help="Ask nothing: take options and defaults.")
def init(
    directory: Path,
    domain: str | None,
    hosts: tuple[str, ...],
    roles: tuple[str, ...],
    providers: tuple[str, ...],
    contact: str | None,
    relay: str | None,
    lab: bool,
    no_input: bool,
) -> None:
    """Create the repository of a new fleet in DIRECTORY.

    Writes inventory, group_data, deploys and requirements, and makes the first git commit. Asks for
    what no option gives.
    """
    _check_empty(directory)
    if lab:
        files, inventory = _lab_files(), LAB_INVENTORY
    else:
        answers = _Questions(no_input)
        fleet = answers.fleet(domain, hosts, roles, providers, contact, relay)
        files, inventory = repository(fleet), INVENTORY
    _check_settings(files, inventory)
    try:
        _write(directory, files)
    except OSError as error:
        refuse(f"{error.filename or directory}: {error.strerror}")
    click.echo(f"Created {directory}: {len(files)} files.")
    if note := _commit(directory):
        click.echo(f"No git commit was made: {note}")
    click.echo(f"\nNext, in {directory}:")
    commands = next_commands(inventory)
    width = max(len(command) for command, _ in commands)
    for command, meaning in commands:
        click.echo(f"  {command:{width}}  # {meaning}")


def _check_empty(directory: Path) -> None:
    try:
        if directory.exists() and any(directory.iterdir()):
            refuse(f"{directory}: not empty; name a new or an empty directory")
    except OSError as error:
        refuse(f"{directory}: {error.strerror}")


def _lab_files() -> dict[str, str]:
    try:
        from lab import state
    except ModuleNotFoundError:
        refuse("--lab needs a checkout of the mailfleet repository: run mailfleet from its .venv")
    try:
        state.read_lab()
        return lab_repository(Path(state.__file__).parents[1])
    except state.LabError as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"{error.filename}: {error.strerror}")


class _Questions:
    """Each value from its option, else from the operator, else its default."""

    def __init__(self, no_input: bool) -> None:
        self._no_input = no_input

    def _value(
        self,
        option: str,
        given: str | None,
        question: str,
        default: str | None,
        parse: Callable[[str], _Value],
    ) -> _Value:
        """Exits with one line when an option is wrong or missing; asks again otherwise."""
        if given is None and not self._no_input:

            def ask(text: str) -> _Value:
                try:
                    return parse(text)
                except ValueError as error:
                    raise click.BadParameter(f"{text}: {error}") from None

            value: _Value = click.prompt(question, default=default, value_proc=ask)
            return value
        text = default if given is None else given
        if text is None:
            refuse(f"{option} is required with --no-input")
        try:
            return parse(text)
        except ValueError as error:
            refuse(f"{option}: {text}: {error}")

    def fleet(
        self,
        domain: str | None,
        hosts: Sequence[str],
        roles: Sequence[str],
        providers: Sequence[str],
        contact: str | None,
        relay: str | None,
    ) -> NewFleet:
        """The fleet that options and answers describe."""
        name = self._value("--domain", domain, "Domain", None, host_name)
        made = self._hosts(name, hosts, roles, providers)
        mail = self._value(
            "--contact", contact, "Contact address", f"postmaster@{name}", email_address
        )
        sends = any(host.has("postal_smtp") for host in made)
        relay_name = postal_smtp_name(name) if sends else f"smtp.{name}"
        if any(host.has("email_api") for host in made):
            relay_name = self._value(
                "--relay", relay, "SMTP relay for forwarded mail", relay_name, host_name
            )
        return NewFleet(name, mail, relay_name, made)

    def _hosts(
        self,
        domain: str,
        hosts: Sequence[str],
        roles: Sequence[str],
        providers: Sequence[str],
    ) -> list[NewHost]:
        addresses = _by_host("--host", hosts)
        if not addresses:
            if self._no_input:
                refuse("--host is required with --no-input")
            names = self._value("--host", None, "Host names", "postal1 mx1", _host_names)
            addresses = dict.fromkeys(names)
        given_roles = _by_host("--role", roles, addresses)
        everywhere = next((text for text in reversed(providers) if "=" not in text), None)
        given_providers = _by_host(
            "--provider", [text for text in providers if "=" in text], addresses
        )
        return [
            self._host(
                domain,
                name,
                address,
                given_providers.get(name, everywhere),
                given_roles.get(name),
            )
            for name, address in addresses.items()
        ]

    def _host(
        self,
        domain: str,
        name: str,
        address: str | None,
        provider: str | None,
        roles: str | None,
    ) -> NewHost:
        label = "Public IPv4 address of"
        ipv4, ipv6, private = self._value(
            f"--host {name}", address, f"{label} {name}", None, _addresses
        )
        return NewHost(
            name=name,
            fqdn=name if "." in name else f"{name}.{domain}",
            provider=self._value(
                f"--provider {name}",
                provider,
                f"Provider of {name} ({', '.join(PROVIDERS)})",
                "other",
                _provider,
            ),
            roles=self._value(
                f"--role {name}",
                roles,
                f"Roles of {name}",
                ",".join(_RECEIVES if name.startswith("mx") else _SENDS),
                _roles,
            ),
            public_ipv4=ipv4,
            public_ipv6=ipv6,
            private_ipv4=private,
        )


def _by_host(
    option: str, given: Iterable[str], known: Iterable[str] | None = None
) -> dict[str, str | None]:
    """Host -> value, of options NAME=VALUE."""
    values: dict[str, str | None] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            refuse(f"{option}: {text}: write it as NAME=VALUE")
        if known is not None and name not in known:
            refuse(f"{option}: {text}: no --host {name}")
        if name in values:
            refuse(f"{option}: {name} is given twice")
        if known is None:
            try:
                _host_names(name)
            except ValueError as error:
                refuse(f"{option}: {text}: {error}")
        values[name] = value
    return values


def _host_names(text: str) -> list[str]:
    names = list(dict.fromkeys(text.replace(",", " ").split()))
    for name in names:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name):
            raise ValueError(f"{name} is not a host name: use lower-case letters, digits, hyphens")
    if not names:
        raise ValueError("name at least one host")
    return names


def _addresses(text: str) -> _Addresses:
    """Public IPv4, public IPv6 and private IPv4 address, with commas between."""
    found = [_address(part.strip()) for part in text.split(",")]
    ipv4 = [address for address in found if isinstance(address, IPv4Address)]
    ipv6 = [address for address in found if isinstance(address, IPv6Address)]
    if not ipv4:
        raise ValueError("give the public IPv4 address, such as 192.0.2.10")
    if len(ipv4) > 2 or len(ipv6) > 1:
        raise ValueError("give one public IPv4, one IPv6 and one private IPv4 address at most")
    return ipv4[0], next(iter(ipv6), None), next(iter(ipv4[1:]), None)


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        raise ValueError("not an IP address; write it as 192.0.2.10") from None


def _roles(text: str) -> list[str]:
    roles = list(dict.fromkeys(text.replace(",", " ").split()))
    for role in roles:
        if role not in SCHEMA.roles:
            raise ValueError(f"no role {role}; there are {', '.join(SCHEMA.roles)}")
    return roles


def _provider(text: str) -> str:
    if text not in PROVIDERS:
        raise ValueError(f"no such provider; there are {', '.join(PROVIDERS)}")
    return text


def _check_settings(files: Mapping[str, str], inventory: str) -> None:
    """Load the fleet as every command does, before anything is written to the directory."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:
        _write(Path(scratch), files)
        os.chdir(scratch)
        try:
            load_fleet(inventory, SCHEMA)
        except SettingsError as error:
            refuse("; ".join(str(problem) for problem in error.problems))
        finally:
            os.chdir(here)


def _write(directory: Path, files: Mapping[str, str]) -> None:
    """Raises OSError."""
    for name, text in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _commit(directory: Path) -> str | None:
    """Make the repository and its first commit. Returns why it was not made."""
    commands = (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        # Without this git makes up an identity of user and host name.
        ["-c", "user.useConfigOnly=true", "commit", "--quiet", "--message=Describe the mail fleet"],
    )
    for command in commands:
        try:
            done = subprocess.run(
                ["git", *command], cwd=directory, capture_output=True, text=True, check=False
            )
        except OSError:
            return "git is not installed"
        if done.returncode:
            if "user.useConfigOnly" in done.stderr or "tell me who you are" in done.stderr:
                return "git has no user.name and user.email"
            return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "git failed"
    return None
