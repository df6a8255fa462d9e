"""A login that needs sudo, as Lightsail gives it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.console import Operator
from tests.lab.hosts import Machine


@pytest.fixture(scope="module")
def site(operator: Operator) -> Operator:
    """The operator after deploys/site.py on the host of the user who needs sudo."""
    operator.deploy("--limit", "mx1", deploy="deploys/site.py").ok()
    return operator


def test_a_user_with_sudo_converges_a_host(site: Operator, mx1: Machine) -> None:
    again = site.deploy("--limit", "mx1", deploy="deploys/site.py").ok()
    assert again.changed == {}
    assert set(again.unchanged) == {"mx1"}
    assert again.round_trips["mx1"] <= 8, str(again)
    assert mx1.run("docker info --format '{{.LoggingDriver}}'") == "local"
    assert mx1.run("stat -c %U:%G /etc/docker/daemon.json /var/lib/mailfleet") == (
        "root:root\nroot:root"
    )


def test_limit_leaves_other_hosts_alone(site: Operator) -> None:
    dry = site.dry("--limit", "mx1", "--diff", deploy="deploys/site.py").ok()
    assert dry.planned == {}
    assert set(dry.round_trips) == {"mx1"}, str(dry)


def test_the_flag_sudo_does_what_the_setting_does(site: Operator, tmp_path: Path) -> None:
    flagged = site.variant(tmp_path, 'del mx1["_sudo"]')
    outcome = flagged.deploy("--sudo", "--limit", "mx1", deploy="deploys/site.py").ok()
    assert outcome.changed == {}


def test_the_log_of_the_host_names_who_used_sudo(site: Operator, mx1: Machine) -> None:
    assert " admin: files of base" in mx1.run("cat /var/log/mailfleet.log")


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ("", ()),
        ('del mx1["_sudo"]', ("--sudo",)),
        ('mx1["_su_user"] = "root"', ()),
    ],
    ids=["setting", "flag", "sudo and su"],
)
def test_health_works_with_sudo(
    site: Operator, tmp_path: Path, changes: str, flags: tuple[str, ...]
) -> None:
    inventory = site.variant(tmp_path, changes).inventory
    outcome = site.run("mailfleet", "health", inventory, "--role", "mailserver", *flags).ok()
    assert "rules are active" in outcome.screen


@pytest.fixture
def without_sudo(mx1: Machine) -> Iterator[str]:
    """A user on mx1 who may log in and may not use sudo."""
    name = "nosudo"
    mx1.run(
        f"useradd --create-home --shell /bin/bash {name}; "
        f"install -d -m 700 -o {name} /home/{name}/.ssh; "
        f"install -m 600 -o {name} ~admin/.ssh/authorized_keys /home/{name}/.ssh/"
    )
    yield name
    mx1.run(
        f"loginctl terminate-user {name}; while pgrep -u {name} >/dev/null; do :; done; "
        f"userdel --remove {name} 2>/dev/null; ! id {name} 2>/dev/null"
    )


def test_a_user_whom_sudo_refuses(operator: Operator, tmp_path: Path, without_sudo: str) -> None:
    refused = operator.variant(tmp_path, f'mx1["ssh_user"] = "{without_sudo}"')
    outcome = refused.deploy("--limit", "mx1", deploy="deploys/base.py")
    outcome.refused("mx1", "sudo")
