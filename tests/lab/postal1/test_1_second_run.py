"""What is in place stays in place: a second run changes nothing, and costs next to nothing."""

from pathlib import Path

import pytest

from tests.lab.console import Operator
from tests.lab.hosts import Machine

MOST_ROUND_TRIPS = 8


@pytest.mark.parametrize("deploy", ["deploys/postal.py", "deploys/preflight.py"])
def test_a_second_run_changes_nothing(deployed: Operator, deploy: str) -> None:
    outcome = deployed.deploy(deploy=deploy).ok()
    assert outcome.changed == {}, str(outcome)
    assert outcome.data["results"]["totals"]["error"] == 0
    assert outcome.round_trips["postal1"] <= MOST_ROUND_TRIPS, str(outcome)


def test_a_second_run_that_asks_first_changes_nothing_either(deployed: Operator) -> None:
    outcome = deployed.run("pyinfra", deployed.inventory, "deploys/postal.py", answer="\n").ok()
    assert outcome.round_trips["postal1"] <= MOST_ROUND_TRIPS, str(outcome)
    results = outcome.screen.partition("--> Results:")[2]
    assert "Grand total" in results, str(outcome)
    # Columns: operation, hosts, success, error, no change.
    rows = [line.split() for line in results.splitlines() if " | " in line]
    assert len(rows) > 10, str(outcome)
    assert {tuple(row[-4:]) for row in rows} == {("1", "-", "-", "1")}, str(outcome)


def test_a_dry_run_with_nothing_pending_names_nothing(deployed: Operator) -> None:
    outcome = deployed.dry("--diff").ok()
    assert outcome.planned == {}, str(outcome)
    assert outcome.round_trips["postal1"] <= MOST_ROUND_TRIPS, str(outcome)


def test_a_fleet_of_init_has_nothing_pending(deployed: Operator, tmp_path: Path) -> None:
    deployed.run("mailfleet", "init", tmp_path / "fleet", "--lab").ok()
    operator = Operator(tmp_path / "fleet")
    operator.run("mailfleet", "settings", operator.inventory).ok()
    operator.run("pyinfra", operator.inventory, "deploys/preflight.py", "--dry").ok()
    outcome = operator.dry("--diff").ok()
    assert outcome.planned == {}, str(outcome)


def test_hosts_without_a_part_in_postal_are_left_alone(deployed: Operator) -> None:
    outcome = deployed.deploy().ok()
    assert set(outcome.unchanged) == {"postal1"}, str(outcome)


def test_every_part_is_healthy(deployed: Operator) -> None:
    outcome = deployed.run("mailfleet", "health", deployed.inventory, "--role", "postal").ok()
    assert " fail " not in outcome.screen, str(outcome)


def test_each_change_leaves_a_line_in_the_host_s_log(deployed: Operator, postal1: Machine) -> None:
    log = postal1.run("cat /var/log/mailfleet.log")
    assert "root from " in log
    assert "files of postal" in log
