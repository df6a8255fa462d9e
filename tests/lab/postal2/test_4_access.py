"""The ways into a server that is not yet, or not quite, as mailfleet wants it: nobody is locked
out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.console import Operator
from tests.lab.hosts import RULES_IN_FORCE, Machine, until

_DEPLOY = "deploys/base.py"
_DROP_IN = "/etc/ssh/sshd_config.d/00-mailfleet.conf"
# A way in that the rules would cut off: a port that no description asks for.
_OTHER_PORT = 2222


@pytest.fixture(scope="module")
def site(
    operator: Operator, postal2: Machine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """The operator of a server with what every host carries, as a user who needs sudo."""
    name = "admin"
    postal2.run(
        f"set -e; useradd --create-home --shell /bin/bash {name}; "
        f"install -d -m 700 -o {name} ~{name}/.ssh; "
        f"install -m 600 -o {name} ~root/.ssh/authorized_keys ~{name}/.ssh/; "
        f"echo '{name} ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/{name}"
    )
    changes = f'postal2.update(ssh_user="{name}", _sudo=True)'
    found = operator.variant(tmp_path_factory.mktemp("site"), changes)
    found.deploy("--limit", "postal2", deploy=_DEPLOY).ok()
    yield found
    postal2.run(
        f"rm /etc/sudoers.d/{name}; loginctl terminate-user {name};"
        f"while pgrep -u {name} >/dev/null; do :; done; userdel --remove {name} 2>/dev/null;"
        f"! id {name} 2>/dev/null"
    )


@pytest.fixture
def by_another_port(site: Operator, postal2: Machine, tmp_path: Path) -> Iterator[Operator]:
    """An operator whose sshd listens on another port than the description says, so that each new
    connection fails once the firewall is in force."""
    postal2.run(f"systemd-run --quiet --unit=lab-way-in /usr/sbin/sshd -D -p {_OTHER_PORT}")
    yield site.variant(
        tmp_path,
        f'postal2["ssh_hostname"], postal2["ssh_port"] = "{postal2.address}", {_OTHER_PORT}\n'
        'postal2["ssh_strict_host_key_checking"] = "no"',
    )
    postal2.run("systemctl stop lab-way-in")
    site.deploy("--limit", "postal2", deploy=_DEPLOY).ok()


@pytest.mark.parametrize(
    "former",
    [
        "systemctl stop mailfleet-firewall",
        "systemctl disable --quiet --now mailfleet-firewall",
        "nft delete table inet mailfleet",
    ],
)
def test_a_firewall_that_was_off_is_off_again_after_a_failed_login(
    by_another_port: Operator, postal2: Machine, former: str
) -> None:
    postal2.run(former)
    enabled = postal2.ask("systemctl is-enabled mailfleet-firewall").output
    outcome = by_another_port.deploy("--limit", "postal2", deploy=_DEPLOY)
    assert outcome.code == 1, str(outcome)
    assert "a fresh login fails" in outcome.screen
    assert "the previous SSH and firewall settings are restored" in outcome.screen
    assert "within" not in outcome.screen.partition("a fresh login fails")[2]
    assert "No such file" in postal2.run(RULES_IN_FORCE)
    assert postal2.ask("systemctl is-enabled mailfleet-firewall").output == enabled
    assert postal2.run("systemctl list-timers --all --plain | grep -c rollback || true") == "0"


def test_the_host_takes_a_firewall_back_by_itself_when_the_run_dies(
    by_another_port: Operator, postal2: Machine
) -> None:
    postal2.run("systemctl disable --quiet --now mailfleet-firewall")
    deploy = by_another_port.start(
        "pyinfra", "-y", "--limit", "postal2", by_another_port.inventory, _DEPLOY
    )
    # It now tries to log in, which takes its time: nothing answers.
    until(lambda: "policy drop" in postal2.run(RULES_IN_FORCE), "the firewall is in force")
    deploy.kill()
    deploy.communicate()
    unfinished = "ls /var/lib/mailfleet/rollback-access*"
    until(lambda: postal2.ask(unfinished).code != 0, "the host takes it back", seconds=120)
    assert "No such file" in postal2.run(RULES_IN_FORCE)
    assert postal2.ask("systemctl is-enabled mailfleet-firewall").output == "disabled\n"


@pytest.fixture
def by_password(site: Operator, postal2: Machine, tmp_path: Path) -> Iterator[Operator]:
    """An operator without a key, on a server that has not met mailfleet's settings yet."""
    name, password = "by-password", "only-a-password"
    postal2.run(
        f"useradd --create-home --shell /bin/bash {name}; echo '{name}:{password}' | chpasswd;"
        f"echo '{name} ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/{name};"
        f"rm {_DROP_IN}; echo 'PasswordAuthentication yes' "
        ">/etc/ssh/sshd_config.d/50-cloud-init.conf; systemctl reload ssh"
    )
    yield site.variant(
        tmp_path,
        f'del postal2["ssh_key"]\npostal2.update(ssh_user="{name}", ssh_password="{password}", '
        "ssh_allow_agent=False, ssh_look_for_keys=False)",
    )
    postal2.run(
        f"rm /etc/sudoers.d/{name} /etc/ssh/sshd_config.d/50-cloud-init.conf;"
        f"loginctl terminate-user {name}; while pgrep -u {name} >/dev/null; do :; done;"
        f"userdel --remove {name} 2>/dev/null; ! id {name} 2>/dev/null"
    )
    site.deploy("--limit", "postal2", deploy=_DEPLOY).ok()


def test_who_has_only_a_password_is_not_locked_out(by_password: Operator, postal2: Machine) -> None:
    outcome = by_password.deploy("--limit", "postal2", deploy=_DEPLOY)
    assert outcome.code == 1, str(outcome)
    assert "a fresh login fails" in outcome.screen
    assert "the previous SSH and firewall settings are restored" in outcome.screen
    assert postal2.ask(f"test -e {_DROP_IN}").code == 1
    # The way in that there was is still one.
    assert by_password.dry("--limit", "postal2", deploy=_DEPLOY).ok().planned["postal2"] == {
        "access | files",
        "access | SSH daemon and firewall",
    }


@pytest.fixture
def cloud_image(site: Operator, postal2: Machine) -> Iterator[Operator]:
    """As an older mailfleet left a cloud image: its drop-in sorts behind the image's own."""
    postal2.run(
        f"cd /etc/ssh/sshd_config.d; mv {_DROP_IN} 60-mailfleet.conf;"
        "echo 'PasswordAuthentication yes' >50-cloud-init.conf; systemctl reload ssh"
    )
    yield site
    postal2.run("rm /etc/ssh/sshd_config.d/50-cloud-init.conf; systemctl reload ssh")


def test_passwords_are_off_whatever_the_cloud_image_says(
    cloud_image: Operator, postal2: Machine
) -> None:
    health = ("mailfleet", "health", cloud_image.inventory, "--role", "server")
    assert "effective: passwordauthentication yes" in cloud_image.run(*health).screen
    cloud_image.deploy("--limit", "postal2", deploy=_DEPLOY).ok()
    assert "passwordauthentication no" in postal2.run("sshd -T").splitlines()
    assert postal2.run("ls /etc/ssh/sshd_config.d | grep mailfleet") == "00-mailfleet.conf"
    assert "logins need a key" in cloud_image.run(*health).ok().screen


def test_a_setting_that_would_have_no_effect_is_refused(
    cloud_image: Operator, postal2: Machine
) -> None:
    first = "/etc/ssh/sshd_config.d/00-first.conf"
    postal2.run(f"echo 'PermitRootLogin yes' >{first}")
    try:
        cloud_image.deploy("--limit", "postal2", deploy=_DEPLOY).refused(
            "effective: permitrootlogin yes"
        )
        assert postal2.ask(f"test -e {_DROP_IN}").code == 1
    finally:
        postal2.run(f"rm {first}")
        cloud_image.deploy("--limit", "postal2", deploy=_DEPLOY).ok()
