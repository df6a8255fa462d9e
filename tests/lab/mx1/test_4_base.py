"""What every server has in common, on hosts that are not quite like the others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.console import Operator
from tests.lab.hosts import Machine, until

# The shell that asks for the lists again; brackets, lest it finds itself.
_LOOP = "[d]eadline=0"
_SITE = ("--limit", "mx1", "deploys/site.py")


def test_a_container_gets_no_swap(operator: Operator, mx1: Machine, tmp_path: Path) -> None:
    small = operator.variant(tmp_path, 'settings["base_swap_below_mb"] = 10**9')
    operator.deploy("--limit", "mx1", deploy="deploys/site.py").ok()
    dry = small.dry("--limit", "mx1", deploy="deploys/site.py").ok()
    # Only the list of what is described, which says when a host has too little.
    assert dry.planned == {"mx1": {"base | files"}}
    assert mx1.ask("ls /swapfile*").code != 0


@pytest.fixture
def another_apt(mx1: Machine) -> Iterator[None]:
    """The background run of apt on a fresh cloud server: it holds both locks."""
    hold = (
        "import fcntl, signal\n"
        "names = ('apt/lists/lock', 'dpkg/lock-frontend')\n"
        "locks = [open(f'/var/lib/{name}', 'w') for name in names]\n"
        "for lock in locks: fcntl.lockf(lock, fcntl.LOCK_EX)\n"
        "signal.pause()"
    )
    mx1.run(f'systemd-run --quiet --collect --unit=lab-apt python3 -c "{hold}"')
    until(lambda: mx1.ask("apt-get check").code != 0, "the other apt holds its locks")
    yield
    mx1.ask("systemctl stop lab-apt; apt-get purge -q -y hello")


def test_a_deploy_waits_for_another_apt(
    operator: Operator, mx1: Machine, tmp_path: Path, another_apt: None
) -> None:
    with_package = operator.variant(tmp_path, 'settings["base_packages"] = ["hello"]')
    deploy = with_package.start("pyinfra", "-y", with_package.inventory, *_SITE)
    until(
        lambda: deploy.poll() is not None or mx1.ask(f"pgrep -f {_LOOP}").code == 0,
        "the deploy meets the lock",
    )
    # Once it was refused, it is asleep until it tries again.
    until(
        lambda: (
            deploy.poll() is not None
            or mx1.ask(f"pgrep -x sleep -P $(pgrep -d, -f {_LOOP})").code == 0
        ),
        "the deploy waits",
    )
    mx1.run("systemctl stop lab-apt")
    screen, _ = deploy.communicate()
    assert deploy.returncode == 0, screen
    assert mx1.run("dpkg-query -W -f '${db:Status-Status}' hello") == "installed"
