"""Converge what every server has in common."""

from pyinfra.api.deploy import deploy as pyinfra_deploy

from mailfleet.components.base.bundle import NAME
from mailfleet.converge.conditions import conditions
from mailfleet.converge.files import files
from mailfleet.converge.packages import packages
from mailfleet.converge.plan import bundle_here
from mailfleet.converge.services import services


@pyinfra_deploy("base")
def deploy() -> None:
    """Converge this component on the host at hand."""
    if desired := bundle_here(NAME):
        packages(name="packages", bundle=desired)
        files(name="files", bundle=desired)
        conditions(name="host name, time zone, kernel, swap", bundle=desired)
        services(name="services", bundle=desired)
