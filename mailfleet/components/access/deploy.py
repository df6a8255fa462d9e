"""Converge the SSH daemon and the firewall on a host."""

from pyinfra.api.deploy import deploy as pyinfra_deploy

from mailfleet.components.access.bundle import NAME
from mailfleet.components.access.rollback import access_services
from mailfleet.converge.files import files
from mailfleet.converge.packages import packages
from mailfleet.converge.plan import bundle_here


@pyinfra_deploy("access")
def deploy() -> None:
    """Converge this component on the host at hand."""
    if desired := bundle_here(NAME):
        packages(name="packages", bundle=desired)
        files(name="files", bundle=desired)
        access_services(name="SSH daemon and firewall", bundle=desired)
