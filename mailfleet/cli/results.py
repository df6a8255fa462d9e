"""How `health` and `drift` tell other programs what they found."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from mailfleet.health import formats
from mailfleet.health.probe import Result

nagios_option = click.option(
    "--nagios",
    "as_nagios",
    is_flag=True,
    help="Print one line and exit as a Nagios plugin does: 0 ok, 1 warning, 2 critical, 3 unknown.",
)
junit_option = click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the results as JUnit XML too.",
)


def end_as_nagios(service: str, found: Sequence[Result]) -> NoReturn:
    """Say the one line, and exit as it says."""
    line, code = formats.nagios(service, found)
    click.echo(line)
    sys.exit(code)
