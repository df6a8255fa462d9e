"""Converge docker-mailserver on a host."""

from pyinfra import host as context_host
from pyinfra import logger
from pyinfra.api.deploy import deploy as pyinfra_deploy

from mailfleet.components.mailserver.bundle import NAME
from mailfleet.components.mailserver.settings import TESTED_VERSIONS, MailserverSettings
from mailfleet.converge.conditions import conditions
from mailfleet.converge.files import files
from mailfleet.converge.plan import bundle_here, fleet_here
from mailfleet.converge.services import services


@pyinfra_deploy("mailserver")
def deploy() -> None:
    """Converge this component on the host at hand."""
    if desired := bundle_here(NAME):
        settings = fleet_here().hosts[context_host.name][MailserverSettings]
        if settings.version.partition("@")[0] not in TESTED_VERSIONS:
            logger.warning(
                f"{context_host.print_prefix}mailserver_version {settings.version} is outside the "
                f"tested set ({', '.join(TESTED_VERSIONS)})"
            )
        files(name="files", bundle=desired)
        conditions(name="certificate", bundle=desired)
        services(name="services", bundle=desired)
