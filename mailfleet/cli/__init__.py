"""`mailfleet`: what pyinfra's own command line cannot do. One module per command group."""

from mailfleet.pyinfra_compat import patch_standard_library

# Before the modules that it patches.
patch_standard_library()

import os
import sys
from importlib import import_module
from traceback import walk_tb
from typing import Any

import click
from typing_extensions import override

from mailfleet.cli.refuse import UsageErrorCommand, refuse

_MODULES = {
    "alias": "alias",
    "diagnose": "diagnose",
    "dns": "dns",
    "drift": "drift",
    "exporter": "exporter",
    "health": "health",
    "init": "init",
    "lab": "lab",
    "postal": "postal",
    "queue": "queue",
    "render": "settings",
    "report": "report",
    "secrets": "secrets",
    "settings": "settings",
}
"""Command -> the module that defines it."""


class _Commands(UsageErrorCommand, click.Group):
    """Each command's module is loaded when it is called: all of them would take twice as long."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_MODULES)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        command: click.Command = getattr(
            import_module(f"mailfleet.cli.{_MODULES[cmd_name]}"), cmd_name
        )
        return command

    @override
    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            *_, (frame, _) = walk_tb(error.__traceback__)
            if frame.f_code is not click.echo.__code__:
                raise
            # What is left would be written at exit, and Python complain in its own way.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            refuse(f"cannot write to standard output: {error.strerror}")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mailfleet")
@click.pass_context
def main(context: click.Context) -> None:
    """Run your own mail infrastructure from one description."""
    # https://no-color.org
    if os.environ.get("NO_COLOR"):
        context.color = False
