"""Faults are made on a host, and the probes name those and nothing else; the host itself sees its
own drift between runs."""

import json
import re
import socket
import urllib.request
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.state import Lab
from tests.lab.console import Operator, Outcome
from tests.lab.hosts import LOOK_AT_ITSELF, Machine, until

_SQL = "docker exec -i mariadb mariadb --user=root postal -e"
_ROOT_SQL = "docker exec -i mariadb mariadb --user=root -e"
_HELD = "\\`postal-server-900\\`"
_WORKER = "$(docker ps -aq -f name=postal-worker)"
_SMTP = "$(docker ps -aq -f name=postal-smtp)"

_SMTP_HEALTHY = (
    f"until docker inspect --format '{{{{.State.Health.Status}}}}' {_SMTP} | grep -q ^healthy; "
    "do sleep 0.5; done"
)


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
        f"docker start {_SMTP}; {_SMTP_HEALTHY}",
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
    "a dead worker, held messages, old tables, an unknown sender, a stopped replica": Fault(
        f"""{_queued(900001, "'gone', UTC_TIMESTAMP() - INTERVAL 1 HOUR", "1 HOUR")};
        {_ROOT_SQL} "CREATE DATABASE {_HELD}; CREATE TABLE {_HELD}.messages (held INT);
            INSERT INTO {_HELD}.messages SELECT 1 FROM postal.seq_1_to_100;
            CREATE TABLE {_HELD}.\\`raw-2020-01-01\\` (id INT, data BLOB);
            INSERT INTO postal.domains (name, created_at, updated_at)
                VALUES ('sender.test', UTC_TIMESTAMP(), UTC_TIMESTAMP());
            CREATE TABLE postal.old (id INT) ROW_FORMAT=COMPACT;
            CHANGE MASTER 'gone' TO MASTER_HOST='192.0.2.1', MASTER_USER='nobody';
            START SLAVE 'gone'\"""",
        f"""{_SQL} "DELETE FROM queued_messages WHERE message_id = 900001; DROP TABLE old;
            DELETE FROM domains WHERE name = 'sender.test'";
        {_ROOT_SQL} "DROP DATABASE {_HELD}; STOP SLAVE 'gone'; RESET SLAVE 'gone' ALL\"""",
        {
            "postal: stale locks": "warn",
            "postal: held messages": "warn",
            "mariadb: row format": "warn",
            "mariadb: raw tables": "warn",
            "postal: sending domains": "warn",
            "mariadb: replication": "fail",
        },
    ),
    "no worker takes messages": Fault(
        f"docker stop {_WORKER}; {_queued(900002, 'NULL, NULL', '2 HOUR')}",
        f'{_SQL} "DELETE FROM queued_messages WHERE message_id = 900002"; docker start {_WORKER}; '
        "until docker inspect --format '{{.State.Health.Status}}' "
        f"{_WORKER} | grep -q ^healthy; do sleep 0.5; done",
        {"postal: worker 9090": "fail", "postal: oldest message": "fail"},
    ),
    "outbound port 25 is blocked": Fault(
        "nft 'add table inet blocked; add chain inet blocked out "
        "{ type filter hook output priority 0; }; "
        "add rule inet blocked out oifname eth0 tcp dport 25 drop'",
        "nft delete table inet blocked",
        {"postal: outbound port 25": "fail"},
    ),
    "port 2525 is closed to the world": Fault(
        "nft 'add table inet blocked; add chain inet blocked in "
        "{ type filter hook prerouting priority -300; }; "
        "add rule inet blocked in iifname eth0 tcp dport 2525 drop'",
        "nft delete table inet blocked",
        {
            "postal: SMTP on port 2525 from here": "fail",
            "postal: relay on port 2525 from here": "fail",
        },
    ),
    "the disk is full": Fault(
        # A small file system in front of /var/lib, with what is there mounted into it.
        "mkdir /run/lib; mount --rbind /var/lib /run/lib; mount --make-rprivate /run/lib; "
        "mount -t tmpfs -o size=256k none /var/lib; for one in /run/lib/*/; do "
        "name=$(basename $one); mkdir /var/lib/$name; mount --rbind $one /var/lib/$name; done; "
        "head -c 250k /dev/zero >/var/lib/full",
        "umount -R -l /var/lib; umount -R -l /run/lib; rmdir /run/lib",
        {"base: disk": "fail"},
    ),
    "the resolver is broken": Fault(
        "cp /etc/resolv.conf /root/; "
        "printf 'nameserver 192.0.2.1\\noptions timeout:1 attempts:1\\n' >/etc/resolv.conf",
        "cat /root/resolv.conf >/etc/resolv.conf",
        # By its name nothing outside can be reached.
        {"base: resolver": "fail", "postal: outbound port 25": "fail"},
    ),
    "the certificate of the SMTP server has expired": Fault(
        "cd /opt/postal/config/tls; cp -p smtp.cert smtp.key /root/; "
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=by-hand "
        "-addext subjectAltName=DNS:mx.postal.lab.test -not_before 20200101000000Z "
        "-not_after 20200201000000Z -keyout /root/old.key -out /root/old.cert 2>/dev/null; "
        f"cat /root/old.cert >smtp.cert; cat /root/old.key >smtp.key; docker restart {_SMTP}; "
        f"{_SMTP_HEALTHY}",
        "cd /opt/postal/config/tls; cat /root/smtp.cert >smtp.cert; cat /root/smtp.key >smtp.key; "
        f"docker restart {_SMTP}; {_SMTP_HEALTHY}",
        {"postal: SMTP certificate": "fail"},
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
        f"{one['component']}: {one['name']}": one["status"]
        for one in outcome.data
        if one["status"] != "ok" and one["name"] != "load"
    }


def test_a_healthy_fleet_has_nothing_to_tell(deployed: Operator) -> None:
    outcome = _health(deployed, "--role", "postal")
    assert _unwell(outcome) == {}, _unwell(outcome)
    assert outcome.code == 0
    (disk,) = (one for one in outcome.data if one["name"] == "disk")
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


# The server stands still from when InnoDB has opened its data, as on a disk that hangs.
_SLOW_START = """
docker restart mariadb >/dev/null
server=$(docker inspect --format '{{.State.Pid}}' mariadb)
until readlink /proc/$server/fd/* | grep -q /ibdata1$; do :; done
kill -STOP $server; sleep 32; kill -CONT $server
"""
_MARIADB_HEALTHY = (
    "until docker inspect --format '{{.State.Health.Status}}' mariadb | grep -q ^healthy; "
    "do sleep 0.5; done"
)
# The web process may not reach a database that has just come back.
_POSTAL_ANSWERS = (
    "until curl -fs -o /dev/null -H 'Host: postal.lab.test' http://127.0.0.1:5000/login; "
    "do sleep 0.5; done"
)
_ZONE = "/etc/knot/zones/lab.test.zone"


def _listing(address: str) -> str:
    """What a list says of itself (RFC 5782 section 5), and of an address."""
    name = ip_address(address).reverse_pointer.removesuffix(".in-addr.arpa")
    lines = ("2.0.0.127.bl A 127.0.0.2", f"{name}.bl A 127.0.0.4", f'{name}.bl TXT "sends spam"')
    return "\n".join(lines)


def test_a_slow_start_another_version_and_a_listed_address_are_named(
    deployed: Operator, lab: Lab, postal1: Machine, tmp_path: Path
) -> None:
    ns1 = Machine(lab, "ns1")
    described = deployed.variant(
        tmp_path,
        'settings["postal_version"] = "3.3.6"\nsettings["dns_blocklists"] = ["bl.lab.test"]',
    )
    listing = _listing(postal1.address)
    ns1.run(f"cp -p {_ZONE} /root/zone; printf '%s\n' '{listing}' >>{_ZONE}; knotc zone-reload")
    try:
        postal1.run(f"{_SLOW_START}{_MARIADB_HEALTHY}; {_POSTAL_ANSWERS}")
        outcome = _health(described, "--role", "postal")
    finally:
        ns1.run(f"cat /root/zone >{_ZONE}; rm /root/zone; knotc zone-reload")
        postal1.run(f"docker restart mariadb; {_MARIADB_HEALTHY}; {_POSTAL_ANSWERS}")
    assert _unwell(outcome) == {
        "mariadb: start": "warn",
        "postal: version": "warn",
        "base: blocklists from here": "fail",
    }, _unwell(outcome)
    findings = {one["name"]: one["message"] for one in outcome.data}
    assert findings["version"] == "runs 3.3.7, configured is 3.3.6"
    assert findings["blocklists from here"].startswith(
        f"bl.lab.test: {postal1.address} is listed: 127.0.0.4, sends spam"
    )


def test_quick_asks_the_host_only(deployed: Operator) -> None:
    outcome = _health(deployed, "--role", "postal", "--quick")
    names = {one["name"] for one in outcome.data}
    assert "login page" in names
    assert "outbound port 25" not in names
    assert not any(name.endswith("from here") for name in names)


def test_every_check_of_an_unreachable_host_is_unknown(deployed: Operator, tmp_path: Path) -> None:
    one_off = deployed.variant(tmp_path, 'postal2["ssh_port"] = 1')
    outcome = _health(one_off, "--role", "postal", "--role", "server")
    off = {one["status"] for one in outcome.data if one["host"] == "postal2"}
    unwell = {
        f"{one['component']}: {one['name']}": one["message"]
        for one in outcome.data
        if one["host"] != "postal2" and one["status"] in ("fail", "unknown")
    }
    assert outcome.code == 3
    assert off == {"unknown"}
    assert unwell == {}


def test_a_slow_host_is_named_and_still_answers(deployed: Operator, postal1: Machine) -> None:
    """sshd(8) runs /etc/ssh/sshrc before every command."""
    postal1.run("echo 'sleep 6' >/etc/ssh/sshrc")
    try:
        outcome = _health(deployed, "--role", "postal", "--quick")
    finally:
        postal1.run("rm /etc/ssh/sshrc")
    assert _unwell(outcome) == {"ssh: answer": "warn"}, _unwell(outcome)


def test_other_tools_are_told_the_same(
    deployed: Operator, postal1: Machine, tmp_path: Path
) -> None:
    file = tmp_path / "health.xml"
    postal1.run(f"docker stop {_WORKER}")
    try:
        options = ("--role", "postal", "--quick", "--nagios", "--junit", str(file))
        outcome = deployed.run("mailfleet", "health", deployed.inventory, *options)
    finally:
        postal1.run(FAULTS["no worker takes messages"].undo)
    assert outcome.code == 2
    (line,) = outcome.screen.splitlines()
    assert "HEALTH CRITICAL - 1 of " in line
    assert "postal1 postal: worker 9090" in line
    assert "'postal1 base disk'=" in line
    failures = ElementTree.parse(file).findall(".//testcase[failure]")
    assert [one.get("name") for one in failures] == ["worker 9090"]


def test_the_exporter_serves_what_was_found(deployed: Operator) -> None:
    """One look at the fleet, asked for twice; then it is stopped."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    exporter = deployed.start("mailfleet", "exporter", deployed.inventory, "--port", str(port))
    url = f"http://127.0.0.1:{port}/metrics"

    def scraped() -> str:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    try:
        text = until(lambda: it if "mailfleet_probe_status" in (it := scraped()) else "", "metrics")
        assert 'component="base",host="postal1",level="quick",probe="disk"' in text
        assert 'level="full",probe="outbound port 25"' in text
        asked = r'mailfleet_health_timestamp_seconds\{level="full"\} (\S+)'
        assert re.findall(asked, text) == re.findall(asked, scraped()) != []
    finally:
        exporter.terminate()
        exporter.communicate()


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
    assert json.loads(postal1.run(LOOK_AT_ITSELF))["findings"] == []
    postal1.run(
        "chmod 666 /etc/hosts; touch /opt/caddy/etc/stray; systemctl stop chrony;"
        f"docker stop {_WORKER}"
    )
    try:
        found = json.loads(postal1.run(LOOK_AT_ITSELF))["findings"]
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
