"""Converge the container engine on a host."""

from pyinfra.api.deploy import deploy as pyinfra_deploy

from mailfleet.components.docker.bundle import APT_REPOSITORY, NAME, NO_LOGINS
from mailfleet.converge.conditions import conditions
from mailfleet.converge.files import files
from mailfleet.converge.packages import packages
from mailfleet.converge.plan import bundle_here
from mailfleet.converge.services import services


@pyinfra_deploy("docker")
def deploy() -> None:
    """Converge this component on the host at hand."""
    if desired := bundle_here(NAME):
        conditions(name="apt repository", bundle=desired, names=[APT_REPOSITORY])
        packages(name="packages", bundle=desired)
        files(name="files", bundle=desired)
        conditions(name="registry logins", bundle=desired, names=[NO_LOGINS])
        services(name="services", bundle=desired)
