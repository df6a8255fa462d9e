"""Packages of a bundle: missing ones are installed by pyinfra's own operation."""

from collections.abc import Generator

from pyinfra import host
from pyinfra.api.command import StringCommand
from pyinfra.api.operation import operation
from pyinfra.operations import apt

from mailfleet.converge.bundle import Bundle
from mailfleet.converge.plan import forget, observe
from mailfleet.converge.shell import script

_LOCK_SECONDS = 300
"""How long to wait for another apt: a fresh cloud server runs its own in the background."""

# apt-get(8) waits for dpkg's lock itself (DPkg::Lock::Timeout), but not for that of the lists.
_UPDATE = f"""
deadline=$(($(date +%s) + {_LOCK_SECONDS}))
until output=$(LC_ALL=C apt-get update 2>&1); do
    case $output in *"/var/lib/apt/lists/lock"*) ;; *) deadline=0 ;; esac
    [ "$(date +%s)" -lt "$deadline" ] || {{ echo "$output" >&2; exit 1; }}
    sleep 2
done
"""

_OPTIONS = (
    f"-o DPkg::Lock::Timeout={_LOCK_SECONDS} "
    "-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
)


@operation()
def packages(bundle: Bundle) -> Generator[StringCommand, None, None]:
    """Install the packages of a bundle that the host lacks.

    + bundle: desired state of the component on this host
    """
    missing = sorted(set(bundle.packages) - observe(host).packages)
    if not missing:
        host.noop(f"packages of {bundle.component} are installed")
        return
    install = apt.packages._inner(packages=missing, no_recommends=True, extra_install_args=_OPTIONS)
    lines = [item if isinstance(item, str) else item.get_raw_value() for item in install]
    yield StringCommand(script(None, bundle.component, "packages", [_UPDATE, *lines]))
    forget(host)
