"""Writes docs/reference from the settings models and the command line: python docs/generate.py

The pages are committed; tests/unit/test_reference_is_current.py compares them with the code.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from mailfleet.cli import main as mailfleet
from mailfleet.settings.reference import reference

DIRECTORY = Path(__file__).parent / "reference"

_CLI_HEAD = """\
# Command line

`mailfleet` does what pyinfra's own command line cannot. Deploys are run with
`pyinfra INVENTORY deploys/NAME.py`. Each command shows this text with `--help`.
"""


def pages() -> dict[str, str]:
    """File name -> Markdown, for every page of the directory."""
    settings = {name: readable(text).rstrip() + "\n" for name, text in reference().items()}
    return {**settings, "cli.md": cli()}


def cli() -> str:
    """One section for each command, with its own help text."""
    sections = [_CLI_HEAD]
    for name, text in _helps(click.Context(mailfleet, info_name="mailfleet")):
        sections.append(f"## {name}\n\n```text\n{text}\n```\n")
    return "\n".join(sections)


def _helps(context: click.Context) -> Iterator[tuple[str, str]]:
    # The width does not depend on the terminal that this runs in.
    context.terminal_width = context.max_content_width = 80
    context.help_option_names = ["-h", "--help"]
    command = context.command
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _helps(click.Context(command.commands[name], context, info_name=name))


def readable(page: str) -> str:
    """Types without pydantic's inner notation, and `<...>` in prose kept from being HTML."""
    lines = []
    for line in page.splitlines():
        if line.startswith("- type: "):
            lines.append(_plain_type(line))
        else:
            parts = re.split(r"(`[^`]*`)", line)
            parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]
            lines.append("".join(parts))
    return "\n".join(lines)


def _plain_type(line: str) -> str:
    line = re.sub(r" at 0x[0-9a-f]+", "", line)
    while (start := line.find("Annotated[")) >= 0:
        end = _closing(line, start + len("Annotated"))
        inner = line[start + len("Annotated[") : end]
        line = line[:start] + _first(inner) + line[end + 1 :]
    line = re.sub(r"Optional\[(.*)\]`", r"\1 | None`", line)
    return re.sub(r"\b(?:ipaddress|docker|access|postal)\.(?=[A-Z])", "", line)


def _closing(text: str, opening: int) -> int:
    """Position of the bracket that closes the one at `opening`; those in quotes do not count."""
    depth, quoted = 0, False
    for position in range(opening, len(text)):
        character = text[position]
        if character == "'":
            quoted = not quoted
        elif not quoted:
            depth += {"[": 1, "]": -1}.get(character, 0)
            if depth == 0:
                return position
    raise ValueError(f"unbalanced brackets: {text}")


def _first(arguments: str) -> str:
    """The first of several type arguments."""
    depth = 0
    for position, character in enumerate(arguments):
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "," and depth == 0:
            return arguments[:position]
    return arguments


def write() -> None:
    DIRECTORY.mkdir(exist_ok=True)
    wanted = pages()
    for file in DIRECTORY.glob("*.md"):
        if file.name not in wanted:
            file.unlink()
    for name, text in wanted.items():
        (DIRECTORY / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
