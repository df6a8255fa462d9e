"""Before the first change: what a fresh server lacks is told with its remedy, and stops the run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.state import Lab
from tests.lab.console import Operator
from tests.lab.hosts import Machine, until

# Postal on the empty host.
_MOVED = """
for role in ("postal", "database"):
    groups[role] = ["postal2"]
groups["caddy"] = ["postal2", "mx1"]
groups["server"] = []
settings["postal_helo_hostname"] = "postal2.lab.test"
"""

_ALONE = ("--limit", "postal2")
_STATE = (
    "dpkg-query -W; find /etc /opt /usr/local -xdev -type f -printf '%p %T@\\n' | sort; "
    "ls -d /var/lib/mailfleet /var/log/mailfleet.log 2>&1; true"
)


@pytest.fixture
def moved(operator: Operator, tmp_path: Path) -> Operator:
    return operator.variant(tmp_path, _MOVED)


@pytest.fixture
def other_program(postal2: Machine) -> Iterator[None]:
    """Another program on port 80."""
    listen = "import signal, socket; s = socket.create_server(('', 80)); signal.pause()"
    postal2.run(f'systemd-run --quiet --unit=lab-web python3 -c "{listen}"')
    until(lambda: postal2.reachable("127.0.0.1", 80), "the other program listens")
    yield
    postal2.run("systemctl stop lab-web")


def test_a_port_that_another_program_holds(
    moved: Operator, postal2: Machine, other_program: None
) -> None:
    before = postal2.run(_STATE)
    for outcome in (moved.dry(*_ALONE), moved.deploy(*_ALONE)):
        outcome.refused("preflight fail [ports]", "python3 listens on port 80", "caddy needs")
        outcome.refused("preflight fails on ports", "nothing was changed", "preflight_accept")
    assert postal2.run(_STATE) == before


@pytest.fixture
def outbound_blocked(postal2: Machine, lab: Lab) -> Iterator[None]:
    """No way to the world's mail servers, as at Hetzner for the first month."""
    target = lab.hosts["internet1"].address
    postal2.run(f"ip route add blackhole {target}/32")
    yield
    postal2.run(f"ip route del blackhole {target}/32")


def test_outbound_mail_that_is_blocked(
    operator: Operator, moved: Operator, tmp_path: Path, outbound_blocked: None
) -> None:
    moved.dry(*_ALONE).refused("preflight fail [outbound-25]", "cannot be reached", "Hetzner")
    accepted = operator.variant(
        tmp_path / "accepted", f'{_MOVED}settings["preflight_accept"] = ["outbound-25"]'
    )
    outcome = accepted.dry(*_ALONE).ok()
    assert "postal | services" in outcome.planned["postal2"]
    # What sends through a relay needs no port 25 to the world.
    relayed = operator.variant(
        tmp_path / "relayed",
        f'{_MOVED}settings["postal_relays"] = ["smtp://relay.internet.test:587?ssl_mode=Auto"]',
    )
    outcome = relayed.dry(*_ALONE).ok()
    assert "preflight warn [outbound-25]" in outcome.screen, str(outcome)


def test_a_host_that_is_too_small(operator: Operator, tmp_path: Path) -> None:
    changes = f'{_MOVED}settings["preflight_memory_mb"] = 10**9'
    operator.variant(tmp_path / "small", changes).dry(*_ALONE).refused(
        "preflight fail [memory]", "larger server", "preflight_memory_mb"
    )


def test_a_name_that_leads_elsewhere(operator: Operator, tmp_path: Path) -> None:
    changes = f'{_MOVED}postal2["host_fqdn"] = "mx.internet.test"'
    operator.variant(tmp_path / "elsewhere", changes).dry(*_ALONE).refused(
        "preflight fail [host-name]", "not this host", "A record"
    )


def test_preflight_alone_tells_everything(moved: Operator) -> None:
    outcome = moved.deploy("--limit", "postal2", deploy="deploys/preflight.py").ok()
    for finding in ("os", "architecture", "memory", "cores", "disk", "ports", "host-name"):
        assert f"preflight ok [{finding}]" in outcome.screen, str(outcome)
