"""`mailfleet alias`: the file of aliases, edited line by line."""

from pathlib import Path
from typing import TextIO

import click
from pydantic import TypeAdapter, ValidationError

from mailfleet.components.email_api.alias_files import AliasFileError, Entry, changed, read
from mailfleet.components.email_api.settings import AliasAddress
from mailfleet.fleet.types import EmailAddress
from mailfleet.secrets.files import write_atomically

_FILE = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default="aliases.yaml",
    show_default=True,
    help="The file that email_api_aliases_file names.",
)
_ALIAS: TypeAdapter[str] = TypeAdapter(AliasAddress)
_MAILBOX: TypeAdapter[str] = TypeAdapter(EmailAddress)


@click.group()
def alias() -> None:
    """Edit aliases and their mailboxes.

    Changes take effect with the next deploy of email_api and mailserver.
    """


@alias.command("list")
@_FILE
def list_(path: Path) -> None:
    """List the aliases, one per line."""
    for name, entry in _read(path).items():
        state = "" if entry.enabled else "  (disabled)"
        click.echo(f"{name}: {', '.join(entry.mailboxes)}{state}")


@alias.command()
@click.argument("address")
@click.argument("mailboxes", nargs=-1, required=True)
@_FILE
def add(address: str, mailboxes: tuple[str, ...], path: Path) -> None:
    """Deliver mail for ADDRESS to MAILBOXES. `@example.com` is a catch-all."""
    _change(path, {_valid(_ALIAS, address): _entry(mailboxes)})


@alias.command()
@click.argument("address")
@_FILE
def disable(address: str, path: Path) -> None:
    """Reject mail for ADDRESS. Its line stays in the file; `add` enables it again."""
    entry = _read(path).get(address)
    if entry is None:
        raise click.ClickException(f"{path}: has no {address}; see `mailfleet alias list`")
    _change(path, {address: Entry(entry.mailboxes, enabled=False)})


@alias.command("import")
@click.argument("source", type=click.File())
@_FILE
def import_(source: TextIO, path: Path) -> None:
    """Add every alias of SOURCE (`-`: standard input).

    One alias per line, followed by its mailboxes, separated by spaces, commas or a colon, as in
    Postfix's virtual map (virtual(5)). # begins a comment.
    """
    imported: dict[str, Entry] = {}
    for number, line in enumerate(source, start=1):
        words = line.partition("#")[0].replace(",", " ").replace(":", " ").split()
        if not words:
            continue
        if len(words) < 2:
            raise click.ClickException(f"line {number}: {words[0]} has no mailbox")
        name = _valid(_ALIAS, words[0].lower(), f"line {number}: ")
        if name in imported:
            raise click.ClickException(f"line {number}: {name} is listed twice")
        imported[name] = _entry(tuple(words[1:]), f"line {number}: ")
    _change(path, imported)


def _entry(mailboxes: tuple[str, ...], where: str = "") -> Entry:
    return Entry(tuple(dict.fromkeys(_valid(_MAILBOX, one, where) for one in mailboxes)))


def _valid(kind: TypeAdapter[str], value: str, where: str = "") -> str:
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise click.ClickException(f"{where}{value}: {message}") from None


def _read(path: Path) -> dict[str, Entry]:
    try:
        return read(path)
    except AliasFileError as error:
        raise click.ClickException(str(error)) from None


def _change(path: Path, changes: dict[str, Entry]) -> None:
    """Apply all changes, or none."""
    before = _read(path)
    new = {name: entry for name, entry in changes.items() if before.get(name) != entry}
    if not new:
        click.echo(f"{path}: nothing to change")
        return
    mode = 0o644
    try:
        text = ""
        if path.exists():
            text, mode = path.read_text(encoding="utf-8"), path.stat().st_mode & 0o777
        write_atomically(path, changed(text, path, new).encode())
        path.chmod(mode)
    except AliasFileError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    click.echo(f"{path}: {', '.join(new)}")
    click.echo("next: pyinfra INVENTORY deploys/site.py")
