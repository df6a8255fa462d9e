"""Stops a run before its first change if a host lacks what is needed."""

from pyinfra import host as context_host
from pyinfra import logger
from pyinfra.api.exceptions import OperationError

from mailfleet.checks.result import Status
from mailfleet.checks.terminal import styled
from mailfleet.components.preflight.bundle import NAME
from mailfleet.components.preflight.results import results
from mailfleet.components.preflight.settings import PreflightSettings
from mailfleet.converge.plan import bundle_here, fleet_here, observe


def deploy(verbose: bool = False) -> None:
    """Print every warning and failure, with `verbose` every result. Raises OperationError where a
    check fails: no host has been changed yet."""
    if not bundle_here(NAME):
        return
    fleet = fleet_here()
    host = fleet.hosts[context_host.name]
    failures = []
    for result in results(fleet, host, observe(context_host)):
        fails = result.status is Status.FAIL
        accepted = fails and result.name in host[PreflightSettings].accept
        if result.status is not Status.OK or verbose:
            status = styled(result.status, f"{result.status}{', accepted' if accepted else ''}")
            remedy = f": {result.remedy}" if result.remedy else ""
            logger.info(
                f"{context_host.print_prefix}preflight {status} [{result.name}] "
                f"{result.message}{remedy}"
            )
        if fails and not accepted:
            failures.append(result.name)
    if failures:
        names = ", ".join(sorted(set(failures)))
        raise OperationError(
            f"{context_host.name}: preflight fails on {names}; nothing was changed. Fix it, or add "
            "the name to preflight_accept."
        )
