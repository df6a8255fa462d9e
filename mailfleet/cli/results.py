"""How `health`, `drift` and `report` tell other programs what they found."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click
from typing_extensions import override

from mailfleet.checks import formats
from mailfleet.checks.result import CheckResult


class OutputFile(click.Path):
    """A file to be written at the end: that it cannot be is told before any host is asked."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False, writable=True)

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        if value in ("", "-"):
            self.fail(f"{value!r} is no file: give its name", param, ctx)
        path = Path(str(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            self.fail(f"no such directory: {path.parent}", param, ctx)
        if not os.access(path.parent, os.W_OK):
            self.fail(f"nothing can be written to {path.parent}", param, ctx)
        return path


def write(file: Path, text: str) -> None:
    """Raises OSError that names the file: Python's own names none where the disk is full."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from None


nagios_option = click.option(
    "--nagios",
    "as_nagios",
    is_flag=True,
    help="Print one line and exit as a Nagios plugin does: 0 ok, 1 warning, 2 critical, 3 unknown.",
)
junit_option = click.option(
    "--junit",
    type=OutputFile(),
    help="Write the results as JUnit XML too.",
)


def end_as_nagios(service: str, found: Sequence[CheckResult]) -> NoReturn:
    """Say the one line, and exit as it says."""
    line, code = formats.nagios(service, found)
    click.echo(line)
    sys.exit(code)
