"""Packages of a bundle: installed by pyinfra's own operation, and only looked at when missing."""

from collections.abc import Generator

from pyinfra import host
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.operation import operation
from pyinfra.operations import apt

from mailfleet.converge.bundle import Bundle
from mailfleet.converge.plan import forget, observe


@operation()
def packages(bundle: Bundle) -> Generator[str | PyinfraCommand, None, None]:
    """Install the packages that a bundle needs and the host lacks.

    + bundle: what the component wants on this host
    """
    missing = sorted(set(bundle.packages) - observe(host).packages)
    if not missing:
        host.noop(f"packages of {bundle.component} are installed")
        return
    yield from apt.packages._inner(
        packages=missing, update=True, no_recommends=True, extra_install_args=_KEEP_OUR_FILES
    )
    forget(host)


_KEEP_OUR_FILES = "-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
