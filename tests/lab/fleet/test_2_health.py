"""One host in trouble, and what is told of the others."""

from tests.lab.console import Operator
from tests.lab.hosts import Machine


def test_a_host_that_hangs_keeps_no_other_waiting(deployed: Operator, postal2: Machine) -> None:
    """Its kernel takes connections, and nobody ever says a word."""
    postal2.run("true")
    postal2.run("kill -STOP $(systemctl show -P MainPID ssh)")
    try:
        outcome = deployed.run_json(
            "mailfleet", "health", deployed.inventory, "--json",
            "--role", "postal", "--role", "server", "--quick",
        )  # fmt: skip
    finally:
        postal2.run("kill -CONT $(systemctl show -P MainPID ssh)")
    hung = [one for one in outcome.data if one["host"] == "postal2"]
    assert [one["name"] for one in hung if one["remedy"]] == ["login"]
    assert {one["status"] for one in hung} == {"unknown"}
    assert not [one for one in outcome.data if one not in hung and one["status"] == "fail"]
    assert outcome.code == 3
