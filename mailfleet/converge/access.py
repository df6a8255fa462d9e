"""Changes to the ways into a host, kept only when a fresh login works after them."""

import shlex
from collections.abc import Generator

from pyinfra import host, logger
from pyinfra.api.command import FunctionCommand, PyinfraCommand, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from mailfleet.converge.bundle import Bundle
from mailfleet.converge.plan import forget, observe
from mailfleet.converge.services import steps_of
from mailfleet.converge.shell import script

ROLLBACK_SECONDS = 60
_TIMER = "mailfleet-access-rollback"

_GUARD = """
cat >"$state/rollback-$component" <<'END'
{rollback}
END
systemctl stop --quiet {timer}.timer {timer}.service 2>/dev/null || true
systemd-run --quiet --collect --on-active={seconds} --unit={timer} sh "$state/rollback-$component"
"""


def _rollback(bundle: Bundle) -> str:
    """Stop units that this change brought in, put the former files back, follow those."""
    lines = []
    for unit in bundle.units:
        lines += [
            f'if grep -qxF "/etc/systemd/system/{unit.name}" "$state/previous/$component/created"',
            f"then systemctl disable --quiet --now {unit.name} || true; fi",
        ]
    lines += ["restore", "systemctl daemon-reload"]
    lines += [
        f"! systemctl cat {unit.name} >/dev/null 2>&1 || unit {unit.name} {unit.on_change}"
        for unit in bundle.units
    ]
    return script("follow", bundle.component, "rollback", lines)


def _change(bundle: Bundle, steps: list[str]) -> str:
    guard = _GUARD.format(rollback=_rollback(bundle), timer=_TIMER, seconds=ROLLBACK_SECONDS)
    return script("follow", bundle.component, "services", [guard, *steps])


def _undo(bundle: Bundle) -> str:
    return f"systemctl stop {_TIMER}.timer; sh /var/lib/mailfleet/rollback-{bundle.component}"


def _keep(bundle: Bundle) -> str:
    return script(
        "follow",
        bundle.component,
        "services kept",
        [
            f"systemctl stop {_TIMER}.timer",
            f'rm -f "$state/rollback-{bundle.component}"',
            *(
                shlex.join(["record", unit.name, bundle.fingerprint(unit.fed_by)])
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
    except (ConnectError, OSError, EOFError) as error:
        logger.error(f"{host.print_prefix}a fresh login fails: {error}")
        works = False
    finally:
        client = getattr(connector, "client", None)
        if client is not None:
            client.close()
    return works


@operation()
def access_services(bundle: Bundle) -> Generator[PyinfraCommand, None, None]:
    """Reload the SSH daemon and the firewall under a timed rollback, log in anew, and only then
    keep the change.

    + bundle: what the component wants on this host
    """
    steps = steps_of(bundle, observe(host))
    if not steps:
        host.noop("the SSH daemon and the firewall run what is described")
        return
    yield StringCommand(_change(bundle, steps))
    yield FunctionCommand(_login_or_undo, [_undo(bundle)], {})
    yield StringCommand(_keep(bundle))
    forget(host)


def _login_or_undo(state: State, host: Host, undo: str) -> bool:
    if fresh_login(state, host):
        return True
    logger.error(f"{host.print_prefix}the former SSH and firewall settings are put back")
    host.run_shell_command(StringCommand(undo))
    return False
