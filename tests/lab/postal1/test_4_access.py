"""The ways into a host with containers: the firewall from outside, and never being locked out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.console import Operator
from tests.lab.hosts import RULES_IN_FORCE, Machine

_BY_HAND = 8081


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
    assert "the previous SSH and firewall settings are restored" in outcome.screen
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
