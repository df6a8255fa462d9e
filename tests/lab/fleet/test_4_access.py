"""The ways into a host: sudo, the firewall from outside, and never being locked out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.console import Operator
from tests.lab.hosts import RULES_IN_FORCE, Machine, until

_BY_HAND = 8081


@pytest.fixture(scope="module")
def site(deployed: Operator) -> Operator:
    """The operator after deploys/site.py on the host of the user who needs sudo."""
    deployed.deploy("--limit", "mx1", deploy="deploys/site.py").ok()
    return deployed


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
    assert "rules in force" in outcome.screen


@pytest.fixture
def by_hand(deployed: Operator, postal1: Machine) -> Iterator[None]:
    """A container that somebody started with a published port."""
    image = postal1.run("docker inspect -f '{{.Config.Image}}' caddy")
    postal1.run(f"docker run -q -d --name by-hand -p {_BY_HAND}:80 {image}")
    yield
    postal1.run("docker rm -f by-hand")


def test_outside_sees_only_what_components_publish(
    deployed: Operator, postal1: Machine, internet1: Machine, by_hand: None
) -> None:
    published, inside = {22, 25, 80, 443, 2525}, {5000, 9090, 9091, _BY_HAND}
    # On the host these answer: what keeps others out is the firewall.
    assert postal1.reachable("127.0.0.1", *inside) == inside
    assert internet1.reachable(postal1.address, *published, *inside, 3306) == published


def test_a_port_opens_when_the_description_says_so(
    restored: Operator,
    tmp_path: Path,
    postal1: Machine,
    internet1: Machine,
    mx1: Machine,
    by_hand: None,
) -> None:
    opening = "from mailfleet.components.access.settings import Opening\n"
    only = f'sources=("{internet1.address}/32",), reason="a test"'
    changes = f'{opening}settings["access_open"] = [Opening(port={_BY_HAND}, {only})]'
    outcome = restored.variant(tmp_path, changes).deploy().ok()
    assert outcome.changed["postal1"] == {"access | files", "access | SSH daemon and firewall"}
    assert internet1.reachable(postal1.address, _BY_HAND)
    assert not mx1.reachable(postal1.address, _BY_HAND)

    restored.deploy().ok()
    assert internet1.reachable(postal1.address, _BY_HAND, 22) == {22}


def test_containers_reach_the_world_and_the_hosts_names(
    deployed: Operator, postal1: Machine
) -> None:
    postal1.run(
        "cd /opt/postal && docker compose exec -T worker nc -z -w5 mx.internet.test 25 </dev/null"
    )


_FIREWALL = f"{RULES_IN_FORCE}; cat /etc/mailfleet/*.nft"


def test_a_firewall_that_would_lock_the_operator_out_is_taken_back(
    restored: Operator, postal1: Machine, tmp_path: Path
) -> None:
    before = postal1.run(_FIREWALL)
    locked_out = restored.variant(tmp_path, 'settings["access_ssh_port"] = 2222')
    outcome = locked_out.deploy()
    assert outcome.code == 1, str(outcome)
    assert "a fresh login fails" in outcome.screen
    assert "the former SSH and firewall settings are put back" in outcome.screen
    assert postal1.ask("true", fresh=True).code == 0
    assert postal1.run(_FIREWALL) == before
    assert postal1.run("systemctl list-timers --all --plain | grep -c rollback || true") == "0"
    # What a run began is taken up by the next.
    restored.deploy().ok()
    assert restored.dry().ok().planned == {}


def test_an_ssh_daemon_that_refuses_the_operator_is_taken_back(
    deployed: Operator, copied_tree: Operator, postal1: Machine
) -> None:
    drop_in = copied_tree.directory / "files/access/00-mailfleet.conf"
    former = postal1.run("cat /etc/ssh/sshd_config.d/00-mailfleet.conf")
    drop_in.write_text(f"{drop_in.read_text()}AllowUsers nobody\n")
    outcome = copied_tree.deploy()
    assert outcome.code == 1, str(outcome)
    assert "a fresh login fails" in outcome.screen
    assert postal1.ask("true", fresh=True).code == 0
    assert postal1.run("cat /etc/ssh/sshd_config.d/00-mailfleet.conf") == former
    deployed.deploy().ok()


_DROP_IN = "/etc/ssh/sshd_config.d/00-mailfleet.conf"
# A way in that the rules would cut off: a port that no description asks for.
_OTHER_PORT = 2222


@pytest.fixture
def by_another_port(site: Operator, mx1: Machine, tmp_path: Path) -> Iterator[Operator]:
    """An operator whose sshd listens on another port than the description says, so that each new
    connection fails once the firewall is in force."""
    mx1.run(f"systemd-run --quiet --unit=lab-way-in /usr/sbin/sshd -D -p {_OTHER_PORT}")
    yield site.variant(
        tmp_path,
        f'mx1["ssh_hostname"], mx1["ssh_port"] = "{mx1.address}", {_OTHER_PORT}\n'
        'mx1["ssh_strict_host_key_checking"] = "no"',
    )
    mx1.run("systemctl stop lab-way-in")
    site.deploy("--limit", "mx1", deploy="deploys/site.py").ok()


@pytest.mark.parametrize(
    "former",
    [
        "systemctl stop mailfleet-firewall",
        "systemctl disable --quiet --now mailfleet-firewall",
        "nft delete table inet mailfleet",
    ],
)
def test_a_firewall_that_was_off_is_off_again_after_a_failed_login(
    by_another_port: Operator, mx1: Machine, former: str
) -> None:
    mx1.run(former)
    enabled = mx1.ask("systemctl is-enabled mailfleet-firewall").output
    outcome = by_another_port.deploy("--limit", "mx1", deploy="deploys/site.py")
    assert outcome.code == 1, str(outcome)
    assert "a fresh login fails" in outcome.screen
    assert "the former SSH and firewall settings are put back" in outcome.screen
    assert "within" not in outcome.screen.partition("a fresh login fails")[2]
    assert "No such file" in mx1.run(RULES_IN_FORCE)
    assert mx1.ask("systemctl is-enabled mailfleet-firewall").output == enabled
    assert mx1.run("systemctl list-timers --all --plain | grep -c rollback || true") == "0"


def test_the_host_takes_a_firewall_back_by_itself_when_the_run_dies(
    by_another_port: Operator, mx1: Machine
) -> None:
    mx1.run("systemctl disable --quiet --now mailfleet-firewall")
    deploy = by_another_port.start(
        "pyinfra", "-y", "--limit", "mx1", by_another_port.inventory, "deploys/site.py"
    )
    # It now tries to log in, which takes its time: nothing answers.
    until(lambda: "policy drop" in mx1.run(RULES_IN_FORCE), "the firewall is in force")
    deploy.kill()
    deploy.communicate()
    unfinished = "ls /var/lib/mailfleet/rollback-access*"
    until(lambda: mx1.ask(unfinished).code != 0, "the host takes it back", seconds=120)
    assert "No such file" in mx1.run(RULES_IN_FORCE)
    assert mx1.ask("systemctl is-enabled mailfleet-firewall").output == "disabled\n"


@pytest.fixture
def by_password(site: Operator, mx1: Machine, tmp_path: Path) -> Iterator[Operator]:
    """An operator without a key, on a server that has not met mailfleet's settings yet."""
    name, password = "by-password", "only-a-password"
    mx1.run(
        f"useradd --create-home --shell /bin/bash {name}; echo '{name}:{password}' | chpasswd;"
        f"echo '{name} ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/{name};"
        f"rm {_DROP_IN}; echo 'PasswordAuthentication yes' "
        ">/etc/ssh/sshd_config.d/50-cloud-init.conf; systemctl reload ssh"
    )
    yield site.variant(
        tmp_path,
        f'del mx1["ssh_key"]\nmx1.update(ssh_user="{name}", ssh_password="{password}", '
        "ssh_allow_agent=False, ssh_look_for_keys=False)",
    )
    mx1.run(
        f"rm /etc/sudoers.d/{name} /etc/ssh/sshd_config.d/50-cloud-init.conf;"
        f"loginctl terminate-user {name}; while pgrep -u {name} >/dev/null; do :; done;"
        f"userdel --remove {name} 2>/dev/null; ! id {name} 2>/dev/null"
    )
    site.deploy("--limit", "mx1", deploy="deploys/site.py").ok()


def test_who_has_only_a_password_is_not_locked_out(by_password: Operator, mx1: Machine) -> None:
    outcome = by_password.deploy("--limit", "mx1", deploy="deploys/site.py")
    assert outcome.code == 1, str(outcome)
    assert "a fresh login fails" in outcome.screen
    assert "the former SSH and firewall settings are put back" in outcome.screen
    assert mx1.ask(f"test -e {_DROP_IN}").code == 1
    # The way in that there was is still one.
    assert by_password.dry("--limit", "mx1", deploy="deploys/site.py").ok().planned["mx1"] == {
        "access | files",
        "access | SSH daemon and firewall",
    }


@pytest.fixture
def cloud_image(site: Operator, mx1: Machine) -> Iterator[Operator]:
    """As an older mailfleet left a cloud image: its drop-in sorts behind the image's own."""
    mx1.run(
        f"cd /etc/ssh/sshd_config.d; mv {_DROP_IN} 60-mailfleet.conf;"
        "echo 'PasswordAuthentication yes' >50-cloud-init.conf; systemctl reload ssh"
    )
    yield site
    mx1.run("rm /etc/ssh/sshd_config.d/50-cloud-init.conf; systemctl reload ssh")


def test_passwords_are_off_whatever_the_cloud_image_says(
    cloud_image: Operator, mx1: Machine
) -> None:
    health = ("mailfleet", "health", cloud_image.inventory, "--role", "mailserver")
    assert "in force: passwordauthentication yes" in cloud_image.run(*health).screen
    cloud_image.deploy("--limit", "mx1", deploy="deploys/site.py").ok()
    assert "passwordauthentication no" in mx1.run("sshd -T").splitlines()
    assert mx1.run("ls /etc/ssh/sshd_config.d | grep mailfleet") == "00-mailfleet.conf"
    assert "logins need a key" in cloud_image.run(*health).ok().screen


def test_a_setting_that_would_have_no_effect_is_refused(
    cloud_image: Operator, mx1: Machine
) -> None:
    first = "/etc/ssh/sshd_config.d/00-first.conf"
    mx1.run(f"echo 'PermitRootLogin yes' >{first}")
    try:
        cloud_image.deploy("--limit", "mx1", deploy="deploys/site.py").refused(
            "in force: permitrootlogin yes"
        )
        assert mx1.ask(f"test -e {_DROP_IN}").code == 1
    finally:
        mx1.run(f"rm {first}")
        cloud_image.deploy("--limit", "mx1", deploy="deploys/site.py").ok()
