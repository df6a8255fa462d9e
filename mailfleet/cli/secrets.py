"""`mailfleet secrets`: generate, edit and rotate secrets. Prints names, never values."""

import difflib
import sys
from pathlib import Path
from typing import Any

import click

from mailfleet.components.registry import SCHEMA
from mailfleet.fleet.errors import SettingsError
from mailfleet.secrets import (
    Generator,
    MissingStoreError,
    Secret,
    SecretRef,
    SecretsError,
    SecretStore,
    SecretUse,
    StoreSettings,
)
from mailfleet.secrets.age import AgeStore
from mailfleet.secrets.editing import Changes
from mailfleet.secrets.editing import edit as edit_store
from mailfleet.secrets.environment import variable
from mailfleet.secrets.initial import Initialised, distinct_refs, initialise, is_set
from mailfleet.secrets.reference import check_name

# Rotating these changes more than the hosts that are deployed again.
_CONSEQUENCES = {
    "postal/admin_password": (
        "Postal's first user was created with it. A deploy creates users and never changes them: "
        "change the password of an existing user in the web interface, or with `postal console`."
    ),
    "postal/signing_key": (
        "Postal signs DKIM and webhooks with it. Until the new public key is in DNS for every "
        "domain that Postal sends for, their mail fails DKIM; receivers of webhooks must be given "
        "the new public key."
    ),
}


class _SecretsGroup(click.Group):
    """Reports errors of secrets and settings without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (SecretsError, SettingsError) as error:
            message = str(error)
        raise click.ClickException(message)


@click.group(cls=_SecretsGroup)
def secrets() -> None:
    """Generate, edit and rotate encrypted secrets."""


@secrets.command()
@click.argument("inventory")
def init(inventory: str) -> None:
    """Generate every missing secret, and the encrypted file if there is none.

    Existing secrets are never changed. Lists the secrets that you have to set yourself.
    """
    settings, uses = _fleet(inventory)
    _report_init(initialise(settings, uses), settings, inventory)


@secrets.command("list")
@click.argument("inventory")
def list_(inventory: str) -> None:
    """List the secrets: name, state, and the settings that use each."""
    settings, uses = _fleet(inventory)
    store = settings.open()
    refs = distinct_refs(uses)
    stored = _stored(store)
    rows = [
        (name, _state(ref, store, settings, stored is not None), _users(name, uses))
        for name, ref in refs.items()
    ]
    rows += [(name, "set, not used", "") for name in stored or [] if name not in refs]
    _print_table(("NAME", "STATE", "USED BY"), rows)


@secrets.command("set")
@click.argument("inventory")
@click.argument("name")
@click.option(
    "--file",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the value from this file.",
)
def set_(inventory: str, name: str, source: Path | None) -> None:
    """Set one secret.

    Reads the value from a prompt without echo, from standard input or from --file. The newline
    after a value of one line is removed.
    """
    _check_name(name)
    settings, uses = _fleet(inventory)
    _warn_unknown(name, distinct_refs(uses))
    store = _age_store(settings)
    store.names()  # Fails before the prompt, not after it.
    store.set(name, _read_value(name, source))
    click.echo(f"{name} is set.")
    _print_redeploy(name, uses)


@secrets.command()
@click.argument("inventory")
def edit(inventory: str) -> None:
    """Edit all secrets as YAML in $EDITOR. The plain text is kept in memory only."""
    settings, _ = _fleet(inventory)
    _report_changes(edit_store(_age_store(settings), _ask_to_reopen))


@secrets.command()
@click.argument("inventory")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Accept consequences outside the fleet.")
def rotate(inventory: str, name: str, yes: bool) -> None:
    """Replace a generated secret and show which hosts to deploy."""
    _check_name(name)
    settings, uses = _fleet(inventory)
    store = _age_store(settings)
    generate = _generator(name, distinct_refs(uses), inventory)
    store.get(name)  # Nothing to rotate when it was never generated.
    consequence = _CONSEQUENCES.get(name)
    if consequence and not yes:
        raise click.UsageError(f"{consequence} Nothing was changed; add --yes to rotate it.")
    store.set(name, Secret(generate()))
    click.echo(f"Rotated {name}.")
    if consequence:
        click.echo(consequence)
    _print_redeploy(name, uses)


@secrets.command()
@click.argument("inventory")
def reencrypt(inventory: str) -> None:
    """Encrypt the file again after a change of its .recipients file.

    A removed recipient can still open previous versions of the file: rotate the secrets in it.
    """
    settings, _ = _fleet(inventory)
    store = _age_store(settings)
    recipients = store.reencrypt()
    click.echo(f"{store.path} can now be opened by:")
    for recipient in recipients:
        click.echo(f"  {recipient}")


def _fleet(inventory: str) -> tuple[StoreSettings, list[SecretUse]]:
    # Imported here: loading a fleet pulls in pyinfra, which `--help` need not wait for.
    from mailfleet.fleet.load import load_fleet

    fleet = load_fleet(inventory, SCHEMA)
    return fleet.secret_store_settings, fleet.secret_uses


def _check_name(name: str) -> None:
    try:
        check_name(name)
        return
    except ValueError as error:
        problem = str(error)
    raise click.UsageError(f"NAME is {problem}")


def _age_store(settings: StoreSettings) -> AgeStore:
    store = settings.open()
    if not isinstance(store, AgeStore):
        raise click.UsageError(
            'the values come from the environment (secrets_backend = "environment"): change them '
            "where they are set; `mailfleet secrets list` names the variables of missing ones"
        )
    return store


def _generator(name: str, refs: dict[str, SecretRef], inventory: str) -> Generator:
    ref = refs.get(name)
    if ref is None:
        raise click.UsageError(f"no setting of this fleet uses {name}{_did_you_mean(name, refs)}")
    if ref.generate is None:
        raise click.UsageError(
            f"{name} is not generated: get a new value where it was issued, then run "
            f"`mailfleet secrets set {inventory} {name}`"
        )
    return ref.generate


def _read_value(name: str, source: Path | None) -> Secret:
    if source is None and sys.stdin.isatty():
        text = click.prompt(name, hide_input=True, confirmation_prompt=True)
    else:
        text = _decoded(source.read_bytes() if source else sys.stdin.buffer.read())
    if text.count("\n") == 1:
        text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise click.UsageError("the value is empty, nothing was changed")
    return Secret(text)


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    raise click.UsageError("the value is not UTF-8 text, nothing was changed")


def _stored(store: SecretStore) -> list[str] | None:
    try:
        return store.names()
    except MissingStoreError:
        return None


def _state(ref: SecretRef, store: SecretStore, settings: StoreSettings, exists: bool) -> str:
    if exists and is_set(store, ref.name):
        return "set"
    if settings.backend == "environment":
        return f"missing: set {variable(ref.name)}"
    return f"missing: init makes it ({ref.generate})" if ref.generate else "missing: set it"


def _users(name: str, uses: list[SecretUse]) -> str:
    return ", ".join(dict.fromkeys(use.where for use in uses if use.ref.name == name))


def _print_table(head: tuple[str, str, str], rows: list[tuple[str, str, str]]) -> None:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in (0, 1)]
    for name, state, users in [head, *rows]:
        click.echo(f"{name:{widths[0]}}  {state:{widths[1]}}  {users}".rstrip())


def _report_init(done: Initialised, settings: StoreSettings, inventory: str) -> None:
    if done.new_identity:
        click.echo(
            f"Created the identity {done.new_identity}. Back it up outside this machine: without "
            "it nobody can open the secrets."
        )
    if done.new_file:
        click.echo(f"Created {done.new_file}. Commit it together with its .recipients file.")
    for name in done.made:
        click.echo(f"Generated {name}.")
    for name in done.to_set:
        click.echo(f"To set: {_how_to_set(name, settings, inventory)}")
    if not (done.made or done.to_set or done.new_file):
        click.echo("All secrets are set.")


def _how_to_set(name: str, settings: StoreSettings, inventory: str) -> str:
    if settings.backend == "environment":
        return f"{name}, in the environment variable {variable(name)}"
    return f"{name}, with `mailfleet secrets set {inventory} {name}`"


def _report_changes(changes: Changes) -> None:
    if not changes:
        click.echo("Nothing was changed.")
    for what in ("added", "changed", "removed"):
        for name in getattr(changes, what):
            click.echo(f"{name} was {what}.")


def _ask_to_reopen(problem: str) -> bool:
    click.echo(problem, err=True)
    return click.confirm("Open it again? Otherwise your changes are dropped", default=True)


def _print_redeploy(name: str, uses: list[SecretUse]) -> None:
    users = dict.fromkeys(use.where for use in uses if use.ref.name == name)
    if users:
        click.echo("Takes effect with the next deploy of:")
    for user in users:
        click.echo(f"  {user}")


def _warn_unknown(name: str, refs: dict[str, SecretRef]) -> None:
    if name not in refs:
        hint = _did_you_mean(name, refs)
        click.echo(f"Note: no setting of this fleet uses {name}{hint}", err=True)


def _did_you_mean(name: str, refs: dict[str, SecretRef]) -> str:
    near = difflib.get_close_matches(name, refs, n=1)
    return f"; did you mean {near[0]}?" if near else "."
