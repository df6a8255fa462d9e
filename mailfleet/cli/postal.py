"""`mailfleet postal`: help with Postal's own configuration file."""

from collections.abc import Mapping
from pathlib import Path

import click
import yaml

from mailfleet.components.postal.yml import Problem, missing, problems, render
from mailfleet.components.postal.yml.legacy import Conversion, convert
from mailfleet.secrets.files import write_atomically

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.group()
def postal() -> None:
    """Convert Postal's configuration file."""


@postal.command("convert-config")
@click.argument("old", type=_PATH)
@click.option(
    "-o", "--output", type=_PATH, help="Write the new file here. Default: standard output."
)
@click.option("--force", is_flag=True, help="Replace an existing output file.")
@click.pass_context
def convert_config(ctx: click.Context, old: Path, output: Path | None, force: bool) -> None:
    """Convert a postal.yml of version 1 (Postal 2) to version 2.

    OLD is not changed. Reports on standard error what happened to each key, without values. Exits 2
    when the new file still has problems, and lists them.
    """
    conversion = convert(_version_1(old))
    if not conversion.config:
        raise click.ClickException(f"{old}: holds no key that Postal 3 reads")
    _write(render(conversion.config), output, force)
    remaining = problems(conversion.config)
    _report(conversion, remaining)
    if remaining:
        ctx.exit(2)


def _version_1(path: Path) -> Mapping[object, object]:
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    # PyYAML raises ValueError for what looks like a date or a number and is none.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise click.ClickException(_not_yaml(path, error)) from None
    if not isinstance(content, dict):
        what = "empty" if content is None else "not a YAML mapping"
        raise click.ClickException(f"{path}: {what}")
    version = content.get("version")
    if version == 2:
        raise click.ClickException(f"{path}: already version 2, nothing to convert")
    if version not in (None, 1):
        raise click.ClickException(f"{path}: version is neither 1 nor 2")
    return content


def _not_yaml(path: Path, error: Exception) -> str:
    # The parser's own message can quote a password, so only the line is reported.
    mark = getattr(error, "problem_mark", None)
    place = f"{path}:{mark.line + 1}" if mark is not None else str(path)
    return f"{place}: not valid YAML (a value with any of : # & * ! % @ ` may need quotes)"


def _write(text: str, output: Path | None, force: bool) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    if output.exists() and not force:
        raise click.ClickException(f"{output}: exists; replace it with --force")
    try:
        write_atomically(output, text.encode())
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror}") from None


def _report(conversion: Conversion, remaining: list[Problem]) -> None:
    _list("kept", conversion.kept)
    _list("moved", [f"{old} -> {new}" for old, new in conversion.moved])
    _list("dropped", [f"{path}: {reason}" for path, reason in conversion.dropped])
    unset = [f"{problem.path}: {problem.message}" for problem in missing(conversion.config)]
    _list("to check", conversion.notes + unset)
    _list("problems", [str(problem) for problem in remaining])


def _list(title: str, lines: list[str]) -> None:
    if lines:
        click.echo(f"{title}:", err=True)
    for line in lines:
        click.echo(f"  {line}", err=True)
