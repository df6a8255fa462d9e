"""State checks of a bundle: state that is neither a file nor a unit, such as the host name."""

import shlex
from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api.command import StringCommand
from pyinfra.api.operation import operation

from mailfleet.converge.bundle import Bundle, StateCheck
from mailfleet.converge.plan import forget, observe
from mailfleet.converge.shell import script


def _script(component: str, condition: StateCheck) -> str:
    """Fix, then check again: a fix without effect is an error."""
    name, expected = shlex.quote(condition.name), shlex.quote(" ".join(condition.expected.split()))
    return script(
        None,
        component,
        condition.name,
        [
            f"( {condition.fix}\n) >&2",
            f"observed=$( ( {condition.check}\n) 2>&1 || true)",
            # Unquoted: compares words, as the operation does.
            "set -f; observed=$(echo $observed)",
            f'[ "$observed" = {expected} ] || '
            f'{{ echo mailfleet: {name}: "$observed" instead of {expected} >&2; exit 1; }}',
        ],
    )


@operation()
def conditions(bundle: Bundle, names: Sequence[str] = ()) -> Generator[StringCommand, None, None]:
    """Fix each state of a bundle that its check reports as different.

    + bundle: desired state of the component on this host
    + names: only these state checks; all by default
    """
    observed = observe(host)
    pending = [
        condition
        for condition in bundle.conditions
        if (not names or condition.name in names)
        and observed.fact(bundle.component, condition.name).split() != condition.expected.split()
    ]
    if not pending:
        host.noop(f"state checks of {bundle.component} pass")
        return
    for condition in pending:
        yield StringCommand(_script(bundle.component, condition))
    forget(host)
