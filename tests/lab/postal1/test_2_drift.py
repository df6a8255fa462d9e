"""A host drifts; the dry run names exactly what the real run then puts right."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.console import Operator
from tests.lab.hosts import RULES_IN_FORCE, Machine
from tests.lab.store import secret_values

# Everything that mailfleet could have changed, without what the system itself keeps writing.
_SNAPSHOT = """
find /etc /opt /usr/local /root /var/lib/mailfleet /var/log/mailfleet.log -xdev \
    -path /opt/caddy/data -prune -o -printf '%p|%y|%m|%U|%G|%T@\\n' | sort
find /tmp ! -name 'runc-process*' ! -path '/tmp/systemd-private-*' | sort
find /etc /opt /usr/local /root /var/lib/mailfleet -xdev \
    -path /opt/caddy/data -prune -o -type f -print0 | sort -z |
    xargs -0 sha256sum
docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}}' | sort
docker images --no-trunc --quiet | sort
systemctl list-units --all --plain --no-legend --type=service,timer --state=active,failed |
    awk '{print $1, $3}' | grep -E 'mailfleet|docker|chrony|ssh.service|journald|postal|apt-daily'
dpkg-query -W -f '${Package} ${db:Status-Status}\\n'
"""


@dataclass(frozen=True)
class Drift:
    """Something done by hand, and the operations that put it right."""

    command: str
    operations: frozenset[str]


def _drift(command: str, *operations: str) -> Drift:
    return Drift(command, frozenset(operations))


_MARIADB = "docker exec -i mariadb mariadb --user=root -e"

# Rounds: within one, each drift hits operations of its own.
ROUNDS = {
    "content, stray file, dropped grant, kernel": [
        _drift("echo '# by hand' >>/etc/sysctl.d/60-mailfleet.conf", "base | files"),
        _drift(
            "sysctl -q -w net.ipv4.tcp_syncookies=0", "base | host name, time zone, kernel, swap"
        ),
        _drift("touch /opt/caddy/etc/stray.pem", "caddy | files", "caddy | services"),
        _drift(
            f"{_MARIADB} \"REVOKE ALL PRIVILEGES ON \\`postal-%\\`.* FROM postal@'%'\"",
            "postal | database user",
        ),
    ],
    "mode, owner, unit, container": [
        _drift("systemctl stop chrony", "base | services"),
        _drift("chmod 666 /etc/docker/certs.d/*/ca.crt", "docker | files"),
        _drift("docker rm -f caddy", "caddy | services"),
        _drift("chown 1000 /opt/postal/bin", "postal | files"),
        _drift(
            f"{_MARIADB} \"ALTER USER postal@'%' IDENTIFIED BY 'by hand'\"",
            "postal | database user",
        ),
    ],
    "secret file, disabled unit, deleted drop-in": [
        _drift("systemctl disable -q chrony", "base | services"),
        _drift(
            "rm /etc/ssh/sshd_config.d/00-mailfleet.conf",
            "access | files",
            "access | SSH daemon and firewall",
        ),
        _drift("chmod 644 /opt/postal/config/postal.yml", "postal | files", "postal | services"),
    ],
    "stopped container, one right taken": [
        _drift("docker stop -t 60 $(docker ps -q -f name=postal-smtp)", "postal | services"),
        _drift(
            f"{_MARIADB} \"REVOKE DELETE ON \\`postal\\`.* FROM postal@'%'\"",
            "postal | database user",
        ),
    ],
    "rights on everything": [
        _drift(
            f"{_MARIADB} \"GRANT ALL PRIVILEGES ON *.* TO postal@'%'\"",
            "postal | database user",
        ),
    ],
    "firewall table gone": [
        _drift("nft delete table inet mailfleet", "access | SSH daemon and firewall"),
    ],
}


@pytest.mark.parametrize("drifts", ROUNDS.values(), ids=ROUNDS.keys())
def test_the_dry_run_names_exactly_what_the_run_changes(
    deployed: Operator, postal1: Machine, drifts: list[Drift]
) -> None:
    for drift in drifts:
        postal1.run(drift.command)
    expected = {operation for drift in drifts for operation in drift.operations}

    before = postal1.run(_SNAPSHOT + RULES_IN_FORCE)
    dry = deployed.dry("--diff").ok()
    assert postal1.run(_SNAPSHOT + RULES_IN_FORCE) == before, "a dry run changed the host"
    real = deployed.deploy().ok()

    assert dry.planned.get("postal1", set()) == expected, str(dry)
    assert real.changed.get("postal1", set()) == expected, str(real)
    assert deployed.deploy().ok().changed == {}


def test_a_removed_package_comes_back(deployed: Operator, postal1: Machine, tmp_path: Path) -> None:
    with_package = deployed.variant(tmp_path, 'settings["base_packages"] = ["hello"]')
    try:
        for _ in ("installs", "comes back after a removal by hand"):
            dry, real = with_package.dry().ok(), with_package.deploy().ok()
            assert dry.planned == real.changed == {"postal1": {"base | packages"}}
            assert postal1.run("dpkg-query -W -f '${db:Status-Status}' hello") == "installed"
            postal1.run("apt-get remove -q -y hello")
    finally:
        postal1.ask("apt-get purge -q -y hello")


def test_the_diff_shows_every_changed_file_and_no_secret(
    deployed: Operator, postal1: Machine
) -> None:
    postal1.run(
        "cd /etc; sed -i 's/MaxUse=.*/MaxUse=7M/' systemd/journald.conf.d/60-mailfleet.conf;"
        "sed -i 's/^net.core.somaxconn = .*/net.core.somaxconn = 17/' sysctl.d/60-mailfleet.conf;"
        "echo 'preserve_hostname: false' >/etc/cloud/cloud.cfg.d/99-mailfleet.cfg;"
        "sed -i 's/max-age=[0-9]*/max-age=5/' /opt/caddy/etc/Caddyfile;"
        "sed -i 's/^  password: .*/  password: by-hand/' /opt/postal/config/postal.yml;"
        "chmod 640 /opt/postal/config/signing.key"
    )
    shown = [
        line.split("] ", 1)[-1].strip() for line in deployed.dry("--diff").ok().screen.splitlines()
    ]
    for lines in (
        ["-SystemMaxUse=7M", "+SystemMaxUse=500M"],
        ["-net.core.somaxconn = 17", "+net.core.somaxconn = 4096"],
        ["-preserve_hostname: false", "+preserve_hostname: true"],
        ['-header Strict-Transport-Security "max-age=5"'],
    ):
        for line in lines:
            assert any("".join(line.split()) == "".join(one.split()) for one in shown), (
                line,
                shown,
            )
    text = "\n".join(shown)
    assert "-  password: ********" in text and "+  password: ********" in text
    assert "changes /opt/postal/config/signing.key (mode 640 -> 400" in text
    assert "by-hand" not in text
    for name, value in secret_values().items():
        for line in value.splitlines():
            assert len(line) < 8 or line not in text, name
    deployed.deploy().ok()
    assert deployed.dry().ok().planned == {}
