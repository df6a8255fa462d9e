"""Converge Caddy on a host."""

from pyinfra.api.deploy import deploy as pyinfra_deploy

from mailfleet.components.caddy.bundle import NAME
from mailfleet.converge.files import files
from mailfleet.converge.plan import bundle_here
from mailfleet.converge.services import services


@pyinfra_deploy("caddy")
def deploy() -> None:
    """Converge this component on the host at hand."""
    if wanted := bundle_here(NAME):
        files(name="files", bundle=wanted)
        services(name="services", bundle=wanted)
