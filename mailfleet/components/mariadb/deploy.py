"""Converge MariaDB on a host."""

from pyinfra import host as context_host
from pyinfra.api.deploy import deploy as pyinfra_deploy
from pyinfra.api.exceptions import OperationError

from mailfleet.components.mariadb.bundle import NAME, _other_version
from mailfleet.components.mariadb.settings import MariadbSettings, major_version
from mailfleet.converge.files import files
from mailfleet.converge.plan import bundle_here, fleet_here, observe
from mailfleet.converge.services import services


def refuse_other_version(host_name: str, version: str, data: str) -> None:
    """Raises OperationError where a deploy would start another major version on the data."""
    if data and major_version(data) != major_version(version):
        raise OperationError(f"{host_name}: {_other_version(version, data)}")


@pyinfra_deploy("mariadb")
def deploy() -> None:
    """Converge this component on the host at hand."""
    if desired := bundle_here(NAME):
        fleet = fleet_here()
        refuse_other_version(
            context_host.name,
            fleet.hosts[context_host.name][MariadbSettings].version,
            observe(context_host).fact(NAME, "data"),
        )
        files(name="files", bundle=desired)
        services(name="services", bundle=desired)
