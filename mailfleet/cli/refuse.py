"""How a command ends that cannot do what it was asked."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click
from typing_extensions import override

from mailfleet.health.formats import NAGIOS_UNKNOWN


def refuse(why: str, as_nagios: bool = False) -> NoReturn:
    """Say why in one line and exit 1; a Nagios plugin says it on standard output."""
    click.echo(f"mailfleet: {why}", err=not as_nagios)
    sys.exit(NAGIOS_UNKNOWN if as_nagios else 1)


class Checking(click.Command):
    """A command, or with click.Group a group of them, whose exit status is its verdict: click's 2
    for misuse would look like one."""

    @override
    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        with _misuse_refused("--nagios" in args):
            return super().make_context(info_name, args, parent, **extra)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        with _misuse_refused(ctx.params.get("as_nagios", False)):
            return super().invoke(ctx)


@contextmanager
def _misuse_refused(as_nagios: bool) -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        error.show()
        sys.exit(NAGIOS_UNKNOWN if as_nagios else 1)
