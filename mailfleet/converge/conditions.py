"""Conditions of a bundle: what is neither a file nor a unit, such as the host name in force."""

import shlex
from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api.command import StringCommand
from pyinfra.api.operation import operation

from mailfleet.converge.bundle import Bundle, Condition
from mailfleet.converge.plan import forget, observe
from mailfleet.converge.shell import script


def _script(component: str, condition: Condition) -> str:
    """Repair, then look again: a repair that has no effect is an error, not a success."""
    name, wanted = shlex.quote(condition.name), shlex.quote(" ".join(condition.wanted.split()))
    return script(
        None,
        component,
        condition.name,
        [
            f"( {condition.repair}\n) >&2",
            f"seen=$( ( {condition.look}\n) 2>&1 || true)",
            # Unquoted: compares words, as the plan does.
            "set -f; seen=$(echo $seen)",
            f'[ "$seen" = {wanted} ] || '
            f'{{ echo mailfleet: {name}: "$seen" instead of {wanted} >&2; exit 1; }}',
        ],
    )


@operation()
def conditions(bundle: Bundle, names: Sequence[str] = ()) -> Generator[StringCommand, None, None]:
    """Make the conditions of a bundle hold.

    + bundle: what the component wants on this host
    + names: only these conditions; all by default
    """
    seen = observe(host)
    pending = [
        condition
        for condition in bundle.conditions
        if (not names or condition.name in names)
        and seen.fact(bundle.component, condition.name).split() != condition.wanted.split()
    ]
    if not pending:
        host.noop(f"conditions of {bundle.component} hold")
        return
    for condition in pending:
        yield StringCommand(_script(bundle.component, condition))
    forget(host)
