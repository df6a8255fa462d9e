"""The deploy of a component that has no steps of its own."""

from collections.abc import Callable
from typing import Any

from pyinfra.api.deploy import deploy as pyinfra_deploy

from mailfleet.converge.files import files
from mailfleet.converge.packages import packages
from mailfleet.converge.plan import bundle_here
from mailfleet.converge.services import services


def deploy_of(component: str) -> Callable[..., Any]:
    """A pyinfra deploy that installs a component's packages, then converges files and services."""

    @pyinfra_deploy(component)
    def deploy() -> None:
        if desired := bundle_here(component):
            if desired.packages:
                packages(name="packages", bundle=desired)
            files(name="files", bundle=desired)
            services(name="services", bundle=desired)

    return deploy
