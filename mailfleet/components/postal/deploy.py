"""Converge Postal on a host."""

from pyinfra import host as context_host
from pyinfra import logger
from pyinfra.api.deploy import deploy as pyinfra_deploy

from mailfleet.components.postal.bundle import NAME
from mailfleet.components.postal.database import postal_user
from mailfleet.components.postal.operations import admin_user, database_schema, refuse_orphans
from mailfleet.components.postal.settings import POSTAL_PROCESSES, TESTED_VERSIONS, PostalSettings
from mailfleet.converge.bundle import Bundle
from mailfleet.converge.conditions import conditions
from mailfleet.converge.files import files
from mailfleet.converge.plan import bundle_here, fleet_here
from mailfleet.converge.services import services
from mailfleet.fleet.fleet import Fleet, Host


@pyinfra_deploy("postal")
def deploy() -> None:
    """Converge Postal on the current host: its user on the database host, then its processes."""
    if desired := bundle_here(NAME):
        fleet = fleet_here()
        host = fleet.hosts[context_host.name]
        if host.has("database"):
            settings = fleet[PostalSettings]
            postal_user(
                name="database user",
                user=settings.database_user,
                password=fleet.value(settings.database_password),
                database=settings.database_name,
                prefix=settings.database_prefix,
                key=fleet.value(settings.rails_secret_key),
            )
        if host.has(*POSTAL_PROCESSES):
            _processes(fleet, host, desired)


def _processes(fleet: Fleet, host: Host, desired: Bundle) -> None:
    version = host[PostalSettings].version
    if version not in TESTED_VERSIONS:
        logger.warning(
            f"{context_host.print_prefix}postal_version {version} is outside the "
            f"tested set ({', '.join(TESTED_VERSIONS)})"
        )
    first_web_host = fleet.with_role("postal_web")[:1] == [host]
    if first_web_host:
        refuse_orphans(fleet)
    files(name="files", bundle=desired)
    conditions(name="SMTP certificate and port", bundle=desired)
    if first_web_host:
        database_schema(name="database schema", fleet=fleet)
    services(name="services", bundle=desired)
    if first_web_host and host[PostalSettings].admin_email:
        admin_user(name="first admin user", fleet=fleet)
