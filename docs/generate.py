"""Writes docs/reference from the settings models and the command line: python docs/generate.py

The pages are committed; tests/unit/test_reference_is_current.py compares them with the code.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import click
from pydantic import TypeAdapter

from mailfleet.checks.exit_codes import MEANINGS
from mailfleet.checks.result import CheckResult
from mailfleet.cli import main as mailfleet
from mailfleet.components.registry import SCHEMA
from mailfleet.drift.finding import REPORT
from mailfleet.fleet.reference import reference

DIRECTORY = Path(__file__).parent / "reference"

_CLI_HEAD = """\
# Command line

`mailfleet` does what pyinfra's own command line cannot. Deploys are run with
`pyinfra INVENTORY deploys/NAME.py`. Each command shows this text with `--help`.
"""

_EXIT_CODES_HEAD = """\
## Exit codes

The same for every command. A failure is never hidden by an unreachable host: 2 wins over 3. With
`--nagios`, the exit code is a Nagios plugin's instead.

| Exit code | Meaning |
|---|---|"""


def pages() -> dict[str, str]:
    """File name -> content, for every generated file of the directory."""
    schema = json.dumps(REPORT.json_schema(), indent=2) + "\n"
    results = json.dumps(TypeAdapter(list[CheckResult]).json_schema(), indent=2) + "\n"
    return {
        **reference(SCHEMA),
        "cli.md": cli(),
        "drift.schema.json": schema,
        "results.schema.json": results,
    }


def cli() -> str:
    """One section for each command, with its own help text."""
    sections = [_CLI_HEAD, _exit_codes()]
    for name, text in _helps(click.Context(mailfleet, info_name="mailfleet")):
        sections.append(f"## {name}\n\n```text\n{text}\n```\n")
    return "\n".join(sections)


def _exit_codes() -> str:
    rows = [f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join([_EXIT_CODES_HEAD, *rows, ""])


def _helps(context: click.Context) -> Iterator[tuple[str, str]]:
    # The width does not depend on the terminal that this runs in.
    context.terminal_width = context.max_content_width = 80
    context.help_option_names = ["-h", "--help"]
    command = context.command
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            member = command.get_command(context, name)
            assert member is not None
            if not member.hidden:
                yield from _helps(click.Context(member, context, info_name=name))


def write() -> None:
    DIRECTORY.mkdir(exist_ok=True)
    wanted = pages()
    for file in DIRECTORY.iterdir():
        if file.name not in wanted:
            file.unlink()
    for name, text in wanted.items():
        (DIRECTORY / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
