"""Stop a run before its first change where a host does not offer what is needed."""

from collections.abc import Callable

import click
from pyinfra import host as context_host
from pyinfra import logger
from pyinfra.api.exceptions import OperationError

from mailfleet.components.preflight.bundle import NAME
from mailfleet.components.preflight.findings import findings
from mailfleet.components.preflight.settings import PreflightSettings
from mailfleet.converge.plan import bundle_here, fleet_here, observe

_SHOWN: dict[str, Callable[[str], str]] = {
    "ok": lambda text: click.style(text, "green"),
    "warn": lambda text: click.style(text, "yellow"),
    "fail": lambda text: click.style(text, "red"),
}


def deploy(verbose: bool = False) -> None:
    """Print what is wrong, and stop the run before its first change if something fails."""
    if not bundle_here(NAME):
        return
    fleet = fleet_here()
    host = fleet.hosts[context_host.name]
    failures = []
    for result in findings(fleet, host, observe(context_host)):
        accepted = result.status == "fail" and result.name in host[PreflightSettings].accept
        if result.status != "ok" or verbose:
            status = _SHOWN[result.status](result.status + (", accepted" if accepted else ""))
            remedy = f": {result.remedy}" if result.remedy else ""
            logger.info(
                f"{context_host.print_prefix}preflight {status} [{result.name}] "
                f"{result.finding}{remedy}"
            )
        if result.status == "fail" and not accepted:
            failures.append(result.name)
    if failures:
        names = ", ".join(sorted(set(failures)))
        raise OperationError(
            f"{context_host.name}: preflight fails on {names}; nothing was changed. Put it right, "
            "or list the name in preflight_accept."
        )
