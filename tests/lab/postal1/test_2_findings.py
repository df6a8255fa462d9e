"""Every kind of drift is made by hand, and named with its remedy; nothing else is, and the look
changes nothing. The host names the same of itself."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailfleet.drift.finding import REPORT
from tests.lab.console import Operator, Outcome
from tests.lab.hosts import LOOK_AT_ITSELF, RULES_IN_FORCE, Machine
from tests.lab.postal1.test_2_drift import _SNAPSHOT
from tests.lab.store import secret_values

DEPLOY = "deploys/postal.py"
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Fault:
    """Something done by hand, how it is undone by hand, and what is said of it: component, kind
    and name -> words of the remedy."""

    command: str
    undo: str
    expected: dict[Key, str]


_SQL = "docker exec -i mariadb mariadb --user=root -e"
_OF_SERVERS = "ON \\`postal-%\\`.*"
_CADDY = "docker inspect --format {} caddy"
_SECURITY = "$(ls /var/lib/apt/lists/*-security_*_Packages)"

# Rounds: within one, no fault hides another.
ROUNDS: dict[str, list[Fault]] = {
    "host": [
        Fault(
            "apt-mark hold curl", "apt-mark unhold curl", {("base", "package", "curl"): "unhold"}
        ),
        Fault(
            f"cp -p {_SECURITY} /root/list; printf 'Package: openssl\\nVersion: 99-1\\n\\n' "
            f">>{_SECURITY}",
            f"mv /root/list {_SECURITY}",
            {("base", "update", "openssl"): "--only-upgrade openssl"},
        ),
        Fault(
            "systemd-run --quiet --wait --unit=by-hand false || true",
            "systemctl reset-failed by-hand",
            {("base", "unit", "by-hand.service"): "journalctl -u by-hand"},
        ),
        Fault(
            "printf '# Written by mailfleet.\\n[Timer]\\n' >/etc/systemd/system/former.timer",
            "rm /etc/systemd/system/former.timer",
            {("base", "orphan", "/etc/systemd/system/former.timer"): "disable --now former.timer"},
        ),
        Fault(
            "mkdir -p /etc/systemd/system/chrony.service.d; printf '[Service]\\nNice=1\\n' "
            ">/etc/systemd/system/chrony.service.d/nice.conf; systemctl daemon-reload",
            "systemctl revert chrony.service",
            {("base", "unit", "chrony.service"): "systemctl revert chrony.service"},
        ),
        Fault(
            "touch /run/reboot-required",
            "rm /run/reboot-required",
            {("base", "reboot", "reboot"): "reboot when"},
        ),
        Fault(
            "sysctl -q -w net.core.somaxconn=17",
            "sysctl -q -w net.core.somaxconn=4096",
            {("base", "condition", "kernel settings"): "deploy again"},
        ),
        Fault(
            "systemctl stop postal-certificate.timer",
            "systemctl start postal-certificate.timer",
            {("postal", "unit", "postal-certificate.timer"): "deploy again"},
        ),
    ],
    "ways in": [
        Fault(
            "nft add rule inet mailfleet input tcp dport 4444 accept",
            "systemctl reload mailfleet-firewall",
            {("access", "firewall", "tcp dport 4444 accept"): "reload mailfleet-firewall"},
        ),
        Fault(
            "systemd-run --quiet --unit=listener systemd-socket-activate -l 0.0.0.0:4444 cat; "
            "until ss -Hltn | grep -q :4444; do sleep 0.1; done",
            "systemctl stop listener",
            {("access", "port", "4444/tcp"): "stop systemd-socket"},
        ),
        Fault(
            "echo 'MaxAuthTries 9' >/etc/ssh/sshd_config.d/00-by-hand.conf",
            "rm /etc/ssh/sshd_config.d/00-by-hand.conf",
            {("access", "sshd", "MaxAuthTries"): "grep -ri MaxAuthTries"},
        ),
    ],
    "files": [
        Fault(
            "chmod 666 /etc/docker/certs.d/*/ca.crt",
            "chmod 644 /etc/docker/certs.d/*/ca.crt",
            {("docker", "file", "/etc/docker/certs.d/registry.lab.test:5000/ca.crt"): "deploy"},
        ),
        Fault(
            "touch /opt/mariadb/conf.d/tuning.cnf",
            "rm /opt/mariadb/conf.d/tuning.cnf",
            {("mariadb", "extra file", "/opt/mariadb/conf.d/tuning.cnf"): "deploy again"},
        ),
        Fault(
            "chown 1000 /opt/postal/bin",
            "chown 0 /opt/postal/bin",
            {("postal", "directory", "/opt/postal/bin"): "deploy again"},
        ),
        Fault(
            f"{_SQL} \"REVOKE ALL PRIVILEGES {_OF_SERVERS} FROM postal@'%'\"",
            f"{_SQL} \"GRANT ALL PRIVILEGES {_OF_SERVERS} TO postal@'%'\"",
            {("postal", "grant", "postal@%"): "deploy again"},
        ),
        Fault(
            "touch /etc/chrony/chrony.conf",
            "systemctl restart chrony",
            {("base", "stale", "chrony.service"): "reload-or-restart chrony.service"},
        ),
        Fault(
            "cp -p /opt/caddy/etc/Caddyfile /root/; sed -i '/^click.lab.test/,/^}/d' "
            "/opt/caddy/etc/Caddyfile; docker exec caddy caddy reload --config "
            "/etc/caddy/Caddyfile --adapter caddyfile --address unix//run/caddy/admin.sock",
            "cat /root/Caddyfile >/opt/caddy/etc/Caddyfile; rm /root/Caddyfile; "
            "docker restart caddy",
            {
                ("caddy", "file", "/opt/caddy/etc/Caddyfile"): "deploy again",
                ("caddy", "certificate", "click.lab.test"): "runbook on certificates",
            },
        ),
    ],
    "containers": [
        Fault(
            "docker run --quiet -d --name stranger --entrypoint sleep "
            f"$({_CADDY.format('{{.Image}}')}) 600",
            "docker rm -f stranger",
            {("docker", "orphan", "stranger"): "docker rm -f stranger"},
        ),
        Fault(
            f"docker tag $({_CADDY.format('{{.Image}}')}) former:tag; docker tag "
            "$(docker inspect --format '{{.Image}}' mariadb) "
            f"$({_CADDY.format('{{.Config.Image}}')})",
            f"docker tag former:tag $({_CADDY.format('{{.Config.Image}}')}); docker rmi former:tag",
            {("docker", "image", "caddy/caddy"): "/opt/caddy up --detach"},
        ),
        Fault(
            f"kill -9 $({_CADDY.format('{{.State.Pid}}')}); until ss -Hltn | grep -q ':443 '; do "
            "sleep 0.2; done",
            "docker compose --project-directory /opt/caddy up --detach --force-recreate",
            {("docker", "restarts", "caddy/caddy"): "docker logs caddy"},
        ),
        Fault(
            "docker stop $(docker ps -q -f name=postal-worker)",
            "docker compose --project-directory /opt/postal up --detach --wait",
            {("postal", "container", "postal/worker"): "docker compose logs worker"},
        ),
        Fault(
            "printf 'services: {smtp: {environment: {BY_HAND: 1}}}\\n' >/root/by-hand.yaml; "
            "cd /opt/postal; docker compose -f compose.yaml -f /root/by-hand.yaml up --detach "
            "--no-deps smtp",
            "rm /root/by-hand.yaml; docker compose --project-directory /opt/postal up --detach",
            {("postal", "container", "postal/smtp"): "deploy again"},
        ),
        Fault(
            "cp -p /etc/docker/daemon.json /root/; sed -i 's/.live-restore.: true/"
            '"live-restore": false/\' /etc/docker/daemon.json; systemctl reload docker; '
            "until docker info --format '{{.LiveRestoreEnabled}}' | grep -q false; do sleep 0.2; "
            "done; cat /root/daemon.json >/etc/docker/daemon.json; rm /root/daemon.json; sleep 3; "
            "touch /var/lib/mailfleet/applied/docker/docker.service",
            "systemctl reload docker; until docker info --format '{{.LiveRestoreEnabled}}' | "
            "grep -q true; do sleep 0.2; done",
            {("docker", "daemon", "live-restore"): "systemctl restart docker"},
        ),
    ],
    "database": [
        Fault(
            f"{_SQL} 'SET GLOBAL max_connections = 17'",
            f"{_SQL} 'SET GLOBAL max_connections = 200'",
            {("mariadb", "variable", "max_connections"): "docker restart mariadb"},
        ),
        Fault(
            f"{_SQL} \"GRANT SELECT ON mysql.* TO postal@'%'\"",
            f"{_SQL} \"REVOKE SELECT ON mysql.* FROM postal@'%'\"",
            {("postal", "grant", "postal@%"): "deploy again"},
        ),
    ],
    "a container is gone": [
        Fault(
            "docker rm -f mariadb",
            "docker compose --project-directory /opt/mariadb up --detach --wait",
            {("mariadb", "container", "mariadb/mariadb"): "deploy again"},
        ),
    ],
    "the firewall is gone": [
        Fault(
            "systemctl stop mailfleet-firewall",
            "systemctl start mailfleet-firewall",
            {("access", "unit", "mailfleet-firewall.service"): "deploy again"},
        ),
    ],
}


def _found(outcome: Outcome) -> dict[Key, str]:
    """Component, kind and name -> remedy."""
    return {
        (finding["component"], finding["kind"], finding["name"]): finding["remedy"]
        for host in outcome.data["hosts"]
        for finding in host["findings"]
    }


def _seen_by_itself(machine: Machine) -> set[Key]:
    """Component, kind and name, as the timer's verifier writes them."""
    found = json.loads(machine.run(LOOK_AT_ITSELF))["findings"]
    return {(one["component"], one["kind"], one["name"]) for one in found}


def _drift(operator: Operator, *deploys: str) -> Outcome:
    outcome = operator.run_json("mailfleet", "drift", operator.inventory, *deploys, "--json")
    # The published format: unknown and missing fields are errors.
    REPORT.validate_json(json.dumps(outcome.data))
    return outcome


def test_a_converged_host_reports_nothing(deployed: Operator, postal1: Machine) -> None:
    outcome = _drift(deployed, DEPLOY)
    assert _found(outcome) == {}, str(outcome.data)
    assert outcome.code == 0
    assert [host["name"] for host in outcome.data["hosts"]] == ["postal1"]
    assert _seen_by_itself(postal1) == set()


@pytest.mark.parametrize("faults", ROUNDS.values(), ids=ROUNDS.keys())
def test_drift_names_exactly_what_was_done(
    deployed: Operator, postal1: Machine, faults: list[Fault]
) -> None:
    try:
        for fault in faults:
            postal1.run(fault.command)
        before = postal1.run(_SNAPSHOT + RULES_IN_FORCE)
        outcome = _drift(deployed, DEPLOY)
        seen_by_itself = _seen_by_itself(postal1)
        assert postal1.run(_SNAPSHOT + RULES_IN_FORCE) == before, "drift changed the host"
    finally:
        for fault in faults:
            postal1.ask(fault.undo)
    expected = {key: words for fault in faults for key, words in fault.expected.items()}
    found = _found(outcome)
    assert set(found) == set(expected), str(outcome.data)
    assert seen_by_itself == set(expected)
    for key, words in expected.items():
        assert words in found[key], (key, found[key])
    assert outcome.code == 2
    after = deployed.deploy().ok()
    assert _found(_drift(deployed, DEPLOY)) == {}, str(after)


def test_diffs_show_what_changed_and_no_secret(
    restored: Operator, postal1: Machine, tmp_path: Path
) -> None:
    postal1.run(
        "sed -i 's/max-age=[0-9]*/max-age=5/' /opt/caddy/etc/Caddyfile;"
        "sed -i 's/^  password: .*/  password: by-hand/' /opt/postal/config/postal.yml"
    )
    page = tmp_path / "drift.html"
    screen = restored.run(
        "mailfleet", "drift", restored.inventory, DEPLOY, "--html", str(page)
    ).screen
    report = json.dumps(_drift(restored, DEPLOY).data)
    for text in (screen, report, page.read_text()):
        assert "max-age=5" in text
        assert "password: ********" in text
        assert "by-hand" not in text
        for name, value in secret_values().items():
            for line in value.splitlines():
                assert len(line) < 8 or line not in text, name


def test_a_deploy_goes_on_meanwhile(deployed: Operator, postal1: Machine) -> None:
    """The look takes no lock: it does not wait for a deploy, and no deploy waits for it."""
    postal1.run("systemd-run --quiet --unit=deploying flock /var/lib/mailfleet/lock sleep 300")
    try:
        assert _drift(deployed, DEPLOY).code == 0
    finally:
        postal1.run("systemctl stop deploying")


def test_a_question_does_not_start_docker(deployed: Operator, postal1: Machine) -> None:
    """Any command of `docker` would, through its socket; containers run on without the engine."""
    postal1.run("systemctl stop docker.service")
    try:
        outcome = _drift(deployed, DEPLOY)
        seen_by_itself = _seen_by_itself(postal1)
        assert postal1.ask("systemctl is-active docker.service").output.strip() == "inactive"
    finally:
        postal1.run("systemctl start docker.service")
    expected = {("docker", "unit", "docker.service")}
    assert set(_found(outcome)) == expected, str(outcome.data)
    assert seen_by_itself == expected


def test_a_docker_that_does_not_answer_is_no_absent_container(
    deployed: Operator, postal1: Machine
) -> None:
    """Engine and containers run on, but nobody can ask: a deploy would begin anew."""
    postal1.run("mv /run/docker.sock /run/docker.sock.away")
    try:
        outcome = _drift(deployed, DEPLOY)
        refused = deployed.dry("--limit", "postal1")
    finally:
        postal1.run("mv /run/docker.sock.away /run/docker.sock")
    refused.refused("Docker on postal1 does not answer")
    found = _found(outcome)
    assert ("postal", "unknown", "containers") in found
    assert {kind for _, kind, _ in found} == {"unknown"}, str(outcome.data)


def test_half_an_answer_is_no_drift(deployed: Operator, tmp_path: Path) -> None:
    no_root = deployed.variant(tmp_path, 'mx1["_sudo"] = False')
    hosts = {host["name"]: host for host in _drift(no_root, "deploys/base.py").data["hosts"]}
    assert hosts["mx1"]["findings"] == []
    assert "--sudo" in hosts["mx1"]["error"]


def test_the_deploy_fails_while_there_is_drift(deployed: Operator, postal1: Machine) -> None:
    alone = ("--limit", "postal1")
    deployed.dry(*alone, deploy="deploys/drift.py").ok()
    postal1.run("systemctl stop chrony")
    try:
        outcome = deployed.dry(*alone, deploy="deploys/drift.py")
        outcome.refused("1 difference from the desired state")
        assert "unit chrony.service: desired active; observed inactive" in outcome.screen
    finally:
        postal1.run("systemctl start chrony")


def test_a_login_and_a_key_that_nobody_described(
    deployed: Operator, postal1: Machine, tmp_path: Path
) -> None:
    key = postal1.run("cut -d' ' -f1,2 ~root/.ssh/authorized_keys").splitlines()
    described = deployed.variant(tmp_path, f'settings["access_logins"] = {{"root": {key!r}}}')
    # The host is told who may log in.
    described.deploy().ok()
    assert _found(_drift(described, DEPLOY)) == {}
    postal1.run(
        "useradd --shell /bin/sh mallory; cp -p ~root/.ssh/authorized_keys /root/keys;"
        f"echo 'ssh-ed25519 {'A' * 68} eve' >>~root/.ssh/authorized_keys"
    )
    try:
        found = set(_found(_drift(described, DEPLOY)))
        seen_by_itself = _seen_by_itself(postal1)
    finally:
        postal1.run("userdel mallory; mv /root/keys ~root/.ssh/authorized_keys")
        deployed.deploy().ok()
    assert found == seen_by_itself == {("access", "login", "mallory"), ("access", "key", "root")}
