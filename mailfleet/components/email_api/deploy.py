"""Converge the e-mail API on a host."""

from pyinfra import host as context_host
from pyinfra.api.deploy import deploy as pyinfra_deploy

from mailfleet.components.email_api.aliases import aliases
from mailfleet.components.email_api.bundle import NAME
from mailfleet.components.email_api.database import database_password
from mailfleet.components.email_api.settings import EmailApiSettings
from mailfleet.converge.files import files
from mailfleet.converge.plan import bundle_here, fleet_here
from mailfleet.converge.services import services


@pyinfra_deploy("email_api")
def deploy() -> None:
    """Converge this component on the host at hand."""
    if desired := bundle_here(NAME):
        fleet = fleet_here()
        settings = fleet.hosts[context_host.name][EmailApiSettings]
        password = fleet.value(settings.database_password)
        files(name="files", bundle=desired)
        # Before the API uses it.
        database_password(name="database password", component=NAME, password=password)
        services(name="services", bundle=desired)
        aliases(name="aliases", component=NAME, desired=settings.aliases)
