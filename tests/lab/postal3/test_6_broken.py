"""Deploys that cannot work: refused before anything stops, or taken back, and told why."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.state import Lab
from tests.lab.console import Operator
from tests.lab.hosts import Machine
from tests.lab.postal3 import HOST, SITE
from tests.lab.web import https, plain_http, visitors


@dataclass(frozen=True)
class Rejected:
    """A change that a consumer refuses while it is staged."""

    break_it: Callable[[Operator], None]
    words: tuple[str, ...]


def _append(name: str, text: str) -> Callable[[Operator], None]:
    def change(operator: Operator) -> None:
        file = operator.directory / name
        file.write_text(f"{file.read_text()}{text}\n")

    return change


def _set(line: str) -> Callable[[Operator], None]:
    def change(operator: Operator) -> None:
        file = Path(operator.inventory)
        file.write_text(file.read_text().replace("_all = {", f"{line}\n_all = {{", 1))

    return change


REJECTED = {
    "image that does not exist": Rejected(
        _set('settings["postal_version"] = "3.3.404"'), ("docker pull", "postal")
    ),
    "compose file": Rejected(
        _append("templates/postal/compose.yaml.j2", "no_such_section: true"),
        ("docker compose config rejects the new files of postal",),
    ),
    "Caddyfile": Rejected(
        _append("templates/caddy/Caddyfile.j2", "bogus.lab.test {\n\tno_such_directive\n}"),
        ("caddy rejects the new files of caddy",),
    ),
    "MariaDB's configuration": Rejected(
        _append("templates/mariadb/mailfleet.cnf.j2", "no_such_option = 1"),
        ("mariadbd rejects the new files of mariadb",),
    ),
    "SSH daemon": Rejected(
        _append("files/access/00-mailfleet.conf", "NoSuchOption yes"),
        ("sshd -t rejects the new files of access",),
    ),
    "firewall rules": Rejected(
        _append("templates/access/firewall.nft.j2", "table inet {"),
        ("nft --check rejects the new files of access",),
    ),
    "time sources": Rejected(
        _append("templates/base/chrony.conf.j2", "no_such_directive"),
        ("chronyd -p rejects the new files of base",),
    ),
    "kernel setting": Rejected(
        _set('settings["base_sysctl"] = {"net.ipv4.no_such_setting": 1}'),
        ("no_such_setting",),
    ),
}


@pytest.mark.parametrize("rejected", REJECTED.values(), ids=REJECTED.keys())
def test_what_its_consumer_rejects_never_takes_effect(
    deployed: Operator, copied_tree: Operator, postal3: Machine, lab: Lab, rejected: Rejected
) -> None:
    rejected.break_it(copied_tree)
    containers = postal3.run("docker ps --no-trunc -q | sort")
    with visitors(lab, SITE, HOST) as watch:
        outcome = copied_tree.deploy("--limit", "postal3")
    assert outcome.code == 1, str(outcome)
    assert all(word in outcome.screen for word in rejected.words), str(outcome)
    assert watch.visits and not watch.failures, str(watch)
    assert postal3.run("docker ps --no-trunc -q | sort") == containers
    # The former files are in place, and no others were left beside them.
    assert deployed.dry().ok().planned == {}
    assert postal3.run("find /opt /etc -name '.*.mailfleet'; ls /var/lib/mailfleet/stage") == ""


FAILING = {
    "a release whose web process does not start": (
        # Without TLS, the timer that looks after its certificate goes too.
        'settings |= {"postal_version": "3.3.99", "postal_smtp_tls": "off"}',
        ("the containers do not start", "last lines of web"),
    ),
    "a database that is not there": (
        'settings["postal_config"] = {"main_db": {"host": "nowhere.lab.test"}}',
        # The container is healthy: it answers tracking requests without one.
        ("health gate failed: postal: login page: ", "nowhere.lab.test"),
    ),
}


@pytest.mark.parametrize(("changes", "words"), FAILING.values(), ids=FAILING.keys())
def test_a_change_that_fails_its_gate_is_taken_back(
    deployed: Operator,
    postal3: Machine,
    lab: Lab,
    tmp_path: Path,
    changes: str,
    words: tuple[str, ...],
) -> None:
    former = postal3.run("sha256sum /opt/postal/compose.yaml /opt/postal/config/postal.yml")
    outcome = deployed.variant(tmp_path, changes).deploy()
    assert outcome.code == 1, str(outcome)
    assert all(word in outcome.screen for word in words), str(outcome)
    assert "rolled back postal: previous files restored, services healthy" in outcome.screen, str(
        outcome
    )
    assert https(lab, SITE, "/login", host=HOST).status == 200
    after = postal3.run("sha256sum /opt/postal/compose.yaml /opt/postal/config/postal.yml")
    assert after == former
    assert postal3.run("systemctl is-active postal-certificate.timer") == "active"

    deployed.deploy().ok()
    assert deployed.dry().ok().planned == {}


def test_what_only_a_quick_probe_notices_is_taken_back(
    deployed: Operator, copied_tree: Operator, postal3: Machine, lab: Lab
) -> None:
    """Caddy accepts the file and runs with it, but answers in clear text what must be encrypted."""
    in_clear = f'http://{SITE} {{\n\trespond "in clear text"\n}}'
    _append("templates/caddy/Caddyfile.j2", in_clear)(copied_tree)
    former = postal3.run("sha256sum /opt/caddy/etc/Caddyfile")
    outcome = copied_tree.deploy("--limit", "postal3")
    outcome.refused("health gate failed: caddy: redirect: answers 200")
    outcome.refused("hint: deploy again: plain HTTP must lead to HTTPS")
    outcome.refused("rolled back caddy: previous files restored, services healthy")
    assert postal3.run("sha256sum /opt/caddy/etc/Caddyfile") == former
    assert plain_http(lab, SITE, host=HOST).status in (301, 308)

    deployed.deploy().ok()
    assert deployed.dry().ok().planned == {}


_FULL = "mount -t tmpfs -o size=12k none {0} && dd if=/dev/zero of={0}/fill bs=4k count=2 2>&1"


def test_a_full_disk_under_the_staging_directory_changes_nothing(
    deployed: Operator, postal3: Machine, lab: Lab, tmp_path: Path
) -> None:
    stage = "/var/lib/mailfleet/stage"
    renamed = deployed.variant(tmp_path, 'settings["postal_from_name"] = "Another name"')
    postal3.run(f"mkdir -p {stage}; {_FULL.format(stage)}")
    try:
        renamed.deploy().refused("could not write", "disk full?", "nothing was changed")
    finally:
        postal3.run(f"umount {stage}")
    assert https(lab, SITE, "/login", host=HOST).status == 200
    assert deployed.dry().ok().planned == {}


def test_a_full_disk_under_the_destination_changes_nothing(
    deployed: Operator, postal3: Machine, lab: Lab, tmp_path: Path
) -> None:
    config = "/opt/postal/config"
    renamed = deployed.variant(tmp_path, 'settings["postal_from_name"] = "Another name"')
    before = postal3.run(f"cd {config}; sha256sum postal.yml signing.key tls/*")
    # The directory again, on a file system that has room for nothing more.
    postal3.run(
        f"set -e; cp -a {config} /root/config-copy; mount -t tmpfs -o size=64k none {config}; "
        f"chmod 750 {config}; chgrp 999 {config}; cp -a /root/config-copy/. {config}/; "
        f"dd if=/dev/zero of={config}/fill bs=4k 2>/dev/null || true"
    )
    try:
        renamed.deploy().refused("could not write", "nothing was changed")
        inside = postal3.run(f"cd {config}; sha256sum postal.yml signing.key tls/*; ls -A")
        assert inside.startswith(before)
        assert ".mailfleet" not in inside
    finally:
        postal3.run(f"umount {config}; rm -r /root/config-copy")
    assert https(lab, SITE, "/login", host=HOST).status == 200
    deployed.deploy().ok()
    assert deployed.dry().ok().planned == {}
