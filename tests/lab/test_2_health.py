"""Faults are made on a host, and the probes name those and nothing else; the host itself sees its
own drift between runs."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.console import Operator, Outcome
from tests.lab.hosts import Machine

_SQL = "docker exec -i mariadb mariadb --user=root postal -e"
_WORKER = "$(docker ps -aq -f name=postal-worker)"
_SMTP = "$(docker ps -aq -f name=postal-smtp)"


def _queued(message: int, locked: str, created: str) -> str:
    return (
        f'{_SQL} "INSERT INTO queued_messages (server_id, message_id, domain, locked_by, '
        f"locked_at, created_at, updated_at) VALUES (1, {message}, 'internet.test', {locked}, "
        f'UTC_TIMESTAMP() - INTERVAL {created}, UTC_TIMESTAMP())"'
    )


@dataclass(frozen=True)
class Fault:
    command: str
    undo: str
    expected: dict[str, str]
    """Probe -> status."""


FAULTS = {
    "the SMTP server is stopped": Fault(
        f"docker stop {_SMTP}",
        f"docker start {_SMTP}; until docker inspect --format '{{{{.State.Health.Status}}}}' "
        f"{_SMTP} | grep -q ^healthy; do sleep 0.5; done",
        {
            "postal: SMTP server": "fail",
            "postal: SMTP on port 25": "fail",
            "postal: SMTP on port 2525": "fail",
            "postal: STARTTLS": "fail",
            "postal: SMTP on port 25 from here": "fail",
            "postal: SMTP on port 2525 from here": "fail",
            "postal: relay on port 25 from here": "fail",
            "postal: relay on port 2525 from here": "fail",
        },
    ),
    "a worker died with a message": Fault(
        _queued(900001, "'gone', UTC_TIMESTAMP() - INTERVAL 1 HOUR", "1 HOUR"),
        f'{_SQL} "DELETE FROM queued_messages WHERE message_id = 900001"',
        {"mariadb: stale locks": "warn"},
    ),
    "no worker takes messages": Fault(
        f"docker stop {_WORKER}; {_queued(900002, 'NULL, NULL', '2 HOUR')}",
        f'{_SQL} "DELETE FROM queued_messages WHERE message_id = 900002"; docker start {_WORKER}; '
        "until docker inspect --format '{{.State.Health.Status}}' "
        f"{_WORKER} | grep -q ^healthy; do sleep 0.5; done",
        {"postal: worker 9090": "fail", "mariadb: oldest message": "fail"},
    ),
    "outbound port 25 is blocked": Fault(
        "nft 'add table inet blocked; add chain inet blocked out "
        "{ type filter hook output priority 0; }; "
        "add rule inet blocked out oifname eth0 tcp dport 25 drop'",
        "nft delete table inet blocked",
        {"postal: outbound port 25": "fail"},
    ),
    "the web process is unreachable": Fault(
        "docker stop caddy",
        "docker start caddy; until ss -Hltn | grep -q ':443 '; do sleep 0.2; done",
        {
            "caddy: redirect": "fail",
            **{
                f"caddy: {what} {name}.lab.test{where}": "fail"
                for what, where in (("certificate of", ""), ("chain of", " from here"))
                for name in ("postal", "mx.postal", "track", "click")
            },
            "postal: tracking at track.lab.test": "fail",
            "postal: tracking at click.lab.test": "fail",
            "postal: tracking at track.lab.test from here": "fail",
            "postal: tracking at click.lab.test from here": "fail",
            "postal: login page of postal.lab.test from here": "fail",
        },
    ),
}


def _health(operator: Operator, *options: str) -> Outcome:
    return operator.run_json("mailfleet", "health", operator.inventory, "--json", *options)


def _unwell(outcome: Outcome) -> dict[str, str]:
    """Probe -> status, of those that are not well. How busy this machine is, is no fault."""
    return {
        f"{one['component']}: {one['probe']}": one["status"]
        for one in outcome.data
        if one["status"] != "ok" and one["probe"] != "load"
    }


def test_a_healthy_fleet_has_nothing_to_tell(deployed: Operator) -> None:
    outcome = _health(deployed, "--role", "postal")
    assert _unwell(outcome) == {}, _unwell(outcome)
    assert outcome.code == 0
    (disk,) = (one for one in outcome.data if one["probe"] == "disk")
    assert 0 < disk["value"] < 100
    assert disk["limit"] == "warns from 80%, fails from 90%"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_health_names_exactly_what_is_wrong(
    deployed: Operator, postal1: Machine, fault: Fault
) -> None:
    postal1.run(fault.command)
    try:
        outcome = _health(deployed, "--role", "postal")
    finally:
        postal1.run(fault.undo)
    assert _unwell(outcome) == fault.expected, _unwell(outcome)
    assert outcome.code == (2 if "fail" in fault.expected.values() else 0)
    assert all(one["remedy"] for one in outcome.data if one["status"] != "ok")


def test_quick_asks_the_host_only(deployed: Operator) -> None:
    outcome = _health(deployed, "--role", "postal", "--quick")
    names = {one["probe"] for one in outcome.data}
    assert "login page" in names
    assert "outbound port 25" not in names
    assert not any(name.endswith("from here") for name in names)


def test_of_a_host_that_is_off_nothing_is_known(deployed: Operator, tmp_path: Path) -> None:
    one_off = deployed.variant(tmp_path, 'postal2["ssh_port"] = 1')
    outcome = _health(one_off, "--role", "postal", "--role", "server")
    of_host = {
        host: {one["status"] for one in outcome.data if one["host"] == host}
        for host in ("postal1", "postal2")
    }
    assert outcome.code == 1
    assert of_host["postal2"] == {"fail", "unknown"}
    assert not of_host["postal1"] & {"fail", "unknown"}


def test_the_deploy_fails_while_something_is_wrong(deployed: Operator, postal1: Machine) -> None:
    alone = ("--limit", "postal1")
    deployed.dry(*alone, deploy="deploys/health.py").ok()
    postal1.run(f"docker stop {_WORKER}")
    try:
        deployed.dry(*alone, deploy="deploys/health.py").refused(
            "postal1 is not well: postal: worker 9090"
        )
    finally:
        postal1.run(FAULTS["no worker takes messages"].undo)


_METRICS = "/var/lib/prometheus/node-exporter/mailfleet.prom"


def test_the_host_sees_its_own_drift(deployed: Operator, postal1: Machine) -> None:
    """As the timer does; its state and metrics name what was done by hand, and nothing else."""
    look = "systemctl start mailfleet-verify; cat /run/mailfleet/verify.json"
    assert json.loads(postal1.run(look))["findings"] == []
    postal1.run(
        "chmod 666 /etc/hosts; touch /opt/caddy/etc/stray; systemctl stop chrony;"
        f"docker stop {_WORKER}"
    )
    try:
        found = json.loads(postal1.run(look))["findings"]
        metrics = postal1.run(f"cat {_METRICS}")
    finally:
        postal1.run(
            "chmod 644 /etc/hosts; rm /opt/caddy/etc/stray; systemctl start chrony;"
            + FAULTS["no worker takes messages"].undo
        )
    assert {(one["component"], one["kind"], one["name"]) for one in found} == {
        ("base", "file", "/etc/hosts"),
        ("base", "unit", "chrony.service"),
        ("caddy", "extra file", "/opt/caddy/etc/stray"),
        ("postal", "container", "postal/worker"),
    }
    assert 'mailfleet_drift{component="base",kind="file"} 1' in metrics.splitlines()
    assert 'mailfleet_drift_count{component="docker"} 0' in metrics.splitlines()
    assert postal1.run("systemctl is-active mailfleet-verify.timer") == "active"


def test_the_host_does_not_look_while_a_deploy_runs(deployed: Operator, postal1: Machine) -> None:
    postal1.run("systemctl start mailfleet-verify")
    before = postal1.run("cat /run/mailfleet/verify.json")
    postal1.run(
        "systemd-run --quiet --unit=deploying flock /var/lib/mailfleet/lock sleep 300; "
        "until ! flock -n /var/lib/mailfleet/lock true; do sleep 0.1; done"
    )
    try:
        postal1.run("systemctl start mailfleet-verify")
        assert postal1.run("cat /run/mailfleet/verify.json") == before
    finally:
        postal1.run("systemctl stop deploying")
