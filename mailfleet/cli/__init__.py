"""`mailfleet`: what pyinfra's own command line cannot do. One module per command group."""

# pyinfra talks to several hosts at once by gevent, which must come before the modules it patches.
from gevent import monkey

monkey.patch_all()

from importlib import import_module

import click
from typing_extensions import override

_MODULES = {
    "alias": "alias",
    "diagnose": "diagnose",
    "dns": "dns",
    "drift": "drift",
    "exporter": "exporter",
    "health": "health",
    "lab": "lab",
    "postal": "postal",
    "queue": "queue",
    "render": "settings",
    "report": "report",
    "secrets": "secrets",
    "settings": "settings",
}
"""Command -> the module that defines it."""


class _Commands(click.Group):
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


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mailfleet")
def main() -> None:
    """Run your own mail infrastructure from one description."""
