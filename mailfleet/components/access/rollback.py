"""Changes to the ways into a host, kept only when a fresh login works after them."""

import shlex
from collections.abc import Generator
from typing import Any

from paramiko import SSHException
from pyinfra import host, logger
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra.api.command import FunctionCommand, PyinfraCommand, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from mailfleet.converge.bundle import Bundle
from mailfleet.converge.plan import forget, observe
from mailfleet.converge.services import steps_of
from mailfleet.converge.shell import script
from mailfleet.templates import render_script

ROLLBACK_SECONDS = 60
_TIMER = "mailfleet-access-rollback"

_PUT_BACK = "the previous SSH and firewall settings are restored"
_FOLLOWS = (
    "the former SSH and firewall settings are not back yet: the host puts them back by itself "
    f"within {ROLLBACK_SECONDS} seconds"
)


_VERBS = {"restart": "restart", "reload": "reload-or-restart"}


def _rollback(bundle: Bundle) -> str:
    follow = "\n".join(f"{_VERBS[unit.on_change]} {unit.name}" for unit in bundle.units)
    lines = [render_script("access/rollback.sh", FOLLOW=follow)]
    return script("follow", bundle.component, "rollback", lines)


def _change(bundle: Bundle, steps: list[str]) -> str:
    return script(
        "follow",
        bundle.component,
        "services",
        [
            render_script("access/guard.sh"),
            # What an unfinished change found is the previous state; what a later one finds is that
            # change.
            '[ -e "$state/rollback-$component" ] || {',
            *(shlex.join(["was", unit.name, unit.is_effective]) for unit in bundle.units),
            '} >"$before"',
            f"arm {_TIMER} {ROLLBACK_SECONDS} <<'END_OF_ROLLBACK'",
            _rollback(bundle),
            "END_OF_ROLLBACK",
            # A function called in a condition would ignore `set -e`; a subshell in the background
            # keeps it.
            "( set -e",
            *steps,
            ") & if wait $!; then exit 0; fi",
            # The rollback takes the lock itself.
            "flock --unlock 9",
            f"if {_undo(bundle)}; then say {shlex.quote(_PUT_BACK)}",
            f"else say {shlex.quote(_FOLLOWS)}; fi",
            "exit 1",
        ],
    )


def _undo(bundle: Bundle) -> str:
    """The timer stays where the rollback fails: the host tries again by itself."""
    return (
        f"sh /var/lib/mailfleet/rollback-{bundle.component} && "
        f"{{ systemctl stop --quiet {_TIMER}.timer 2>/dev/null || true; }}"
    )


def _keep(bundle: Bundle) -> str:
    return script(
        "follow",
        bundle.component,
        "services kept",
        [
            '[ -e "$state/rollback-$component" ] || '
            '{ say "the login took too long: the former settings are back"; exit 1; }',
            'rm -f "$state/rollback-$component" "$state/rollback-$component.units"',
            f"systemctl stop --quiet {_TIMER}.timer 2>/dev/null || true",
            *(
                shlex.join(["record", unit.name, bundle.fingerprint(unit.depends_on)])
                for unit in bundle.units
            ),
            "finish",
        ],
    )


def fresh_login(state: State, host: Host) -> bool:
    """Open a second connection as the first one was opened, and run a command over it."""
    connector = type(host.connector)(state, host)
    try:
        connector.connect()
        works, _ = connector.run_shell_command(
            StringCommand("true"), print_output=False, print_input=False
        )
    except (ConnectError, OSError, EOFError, SSHException) as error:
        logger.error(f"{host.print_prefix}a fresh login fails: {error}")
        works = False
    finally:
        client = getattr(connector, "client", None)
        if client is not None:
            client.close()
    return works


@operation()
def access_services(bundle: Bundle) -> Generator[PyinfraCommand, None, None]:
    """Reload the SSH daemon and the firewall under a timed rollback, open a fresh login, and
    keep the change only if it works.

    + bundle: the desired state of the component on this host
    """
    steps = steps_of(bundle, observe(host))
    if not steps:
        host.noop("the SSH daemon and the firewall are in sync")
        return
    yield StringCommand(_change(bundle, steps))
    yield FunctionCommand(_login_or_undo, [_undo(bundle)], {})
    yield StringCommand(_keep(bundle))
    forget(host)


def _login_or_undo(state: State, host: Host, undo: str) -> bool:
    if fresh_login(state, host):
        return True
    back = _run_as_the_operation_does(host, undo)
    logger.error(f"{host.print_prefix}{_PUT_BACK if back else _FOLLOWS}")
    return False


def _run_as_the_operation_does(host: Host, command: str) -> bool:
    """Whether a command succeeded over the first connection, with the operation's sudo or su."""
    given: dict[str, Any] = dict(host.current_op_global_arguments or {})
    arguments = {key: given[key] for key in CONNECTOR_ARGUMENT_KEYS if key in given}
    # After that the host has done it by itself.
    arguments["_timeout"] = ROLLBACK_SECONDS
    try:
        works, _ = host.run_shell_command(StringCommand(command), **arguments)
    except (OSError, SSHException):
        return False
    return works
