"""How a command ends that cannot do what it was asked."""

import sys
from typing import NoReturn

import click

from mailfleet.health.formats import NAGIOS_UNKNOWN


def refuse(why: str, as_nagios: bool = False) -> NoReturn:
    """Say why in one line and exit 1; a Nagios plugin says it on standard output."""
    click.echo(f"mailfleet: {why}", err=not as_nagios)
    sys.exit(NAGIOS_UNKNOWN if as_nagios else 1)
