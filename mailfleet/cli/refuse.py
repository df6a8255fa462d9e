"""How a command ends that cannot do what it was asked."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click
from typing_extensions import override

from mailfleet.checks.exit_codes import ERROR


def refuse(why: str, as_nagios: bool = False) -> NoReturn:
    """Say why and exit 1; a Nagios plugin says it in one line on standard output, and exits 3."""
    if as_nagios:
        _end_as_unknown(click.get_current_context().command, why)
    click.echo(f"mailfleet: {why}", err=True)
    sys.exit(ERROR)


def _end_as_unknown(command: click.Command, why: str) -> NoReturn:
    # Late: every command loads this module, and most are no plugin.
    from mailfleet.checks.formats import NAGIOS_UNKNOWN, nagios_unknown

    click.echo(nagios_unknown(str(command.name).upper(), why))
    sys.exit(NAGIOS_UNKNOWN)


class UsageErrorCommand(click.Command):
    """A command, or with click.Group a group of them, that exits 1 where it is misused: click's 2
    is a verdict, such as that records do not hold."""

    @override
    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        with _misuse_refused(self, "--nagios" in args):
            return super().make_context(info_name, args, parent, **extra)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        with _misuse_refused(self, ctx.params.get("as_nagios", False)):
            return super().invoke(ctx)


@contextmanager
def _misuse_refused(command: click.Command, as_nagios: bool) -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        if as_nagios:
            _end_as_unknown(command, error.format_message())
        error.show()
        sys.exit(ERROR)
