"""Packages of a bundle: installed by pyinfra's own operation, and only looked at when missing."""

from collections.abc import Generator

from pyinfra import host
from pyinfra.api.command import StringCommand
from pyinfra.api.operation import operation
from pyinfra.operations import apt

from mailfleet.converge.bundle import Bundle
from mailfleet.converge.plan import forget, observe
from mailfleet.converge.shell import script


@operation()
def packages(bundle: Bundle) -> Generator[StringCommand, None, None]:
    """Install the packages that a bundle needs and the host lacks.

    + bundle: what the component wants on this host
    """
    missing = sorted(set(bundle.packages) - observe(host).packages)
    if not missing:
        host.noop(f"packages of {bundle.component} are installed")
        return
    commands = apt.packages._inner(
        packages=missing, update=True, no_recommends=True, extra_install_args=_KEEP_OUR_FILES
    )
    lines = [item if isinstance(item, str) else item.get_raw_value() for item in commands]
    yield StringCommand(script(None, bundle.component, "packages", lines))
    forget(host)


_KEEP_OUR_FILES = "-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
