"""Probes of containers, run against fake output of Docker and the programs in containers."""

import http.server
import json
import re
import shutil
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mailfleet.checks.probe import Probe
from mailfleet.checks.result import CheckResult, Status
from mailfleet.components.caddy import probes as caddy
from mailfleet.components.docker import probes as docker_component
from mailfleet.components.email_api import probes as email_api
from mailfleet.components.mailserver import probes as mailserver
from mailfleet.components.mariadb import probes as mariadb
from mailfleet.components.postal import probes as postal
from tests.certificates import certificate
from tests.probes import asked, install
from tests.unit.conftest import INVENTORY, POSTAL, Write
from tests.unit.test_mailserver import INVENTORY as MAILSERVER_INVENTORY
from tests.unit.test_mailserver import MAILSERVER


def _ask(probe: Probe, directory: Path, docker: str, systemctl: str = "") -> CheckResult:
    """Ask on this machine, where `docker` and `systemctl` are these shells."""
    install(directory, docker=docker, systemctl=systemctl)
    return asked(probe, directory)


def _start(fleet_from: Write) -> Probe:
    fleet = fleet_from()
    return next(it for it in mariadb.probes(fleet, fleet.hosts["postal1"]) if it.name == "start")


@pytest.mark.parametrize(
    ("ago", "took", "status", "value"),
    [
        (600, 2, Status.OK, 2),
        (600, 29, Status.OK, 29),
        (600, 45, Status.WARN, 45),
        (600, 120, Status.FAIL, 120),
        # Told for a day, and not until the next start.
        (90_000, 45, Status.OK, 0),
    ],
)
def test_a_slow_start_of_mariadb_is_reported_for_a_day(
    fleet_from: Write, tmp_path: Path, ago: int, took: int, status: Status, value: float
) -> None:
    ready = int(time.time()) - ago
    found = _ask(_start(fleet_from), tmp_path, f"cat >/dev/null; echo {ready} {ready - took}")
    assert (found.status, found.value) == (status, value)
    assert found.message.startswith(f"ready {took} s after its start at 20")


@pytest.mark.parametrize(
    ("seconds", "status"), [(3, Status.OK), (60, Status.WARN), (3600, Status.FAIL)]
)
def test_a_start_in_progress_is_measured(
    fleet_from: Write, tmp_path: Path, seconds: int, status: Status
) -> None:
    started = time.strftime("%FT%T.123456789Z", time.gmtime(time.time() - seconds))
    docker = (
        f'case "$*" in inspect*) echo {started} ;; logs*) echo "InnoDB: recovers" >&2 ;; '
        "*) cat >/dev/null; echo starting ;; esac"
    )
    found = _ask(_start(fleet_from), tmp_path, docker)
    assert found.status is status
    assert found.message.startswith("not ready ")
    assert found.message.endswith(": InnoDB: recovers")


def test_start_fails_while_mariadb_does_not_run(fleet_from: Write, tmp_path: Path) -> None:
    found = _ask(_start(fleet_from), tmp_path, "echo container mariadb is not running >&2; exit 1")
    assert (found.status, found.message) == (Status.FAIL, "container mariadb is not running")


@pytest.mark.parametrize(
    ("tag", "images", "status", "finding"),
    [
        ("3.3.7", {"web": "3.3.7", "worker": "3.3.7"}, Status.OK, "3.3.7, as configured"),
        ("3.3.7@sha256:" + 64 * "0", {"web": "3.3.7"}, Status.OK, "3.3.7, as configured"),
        ("3.3.7", {"web": "3.3.6"}, Status.WARN, "runs 3.3.6, configured is 3.3.7"),
        # A half-done upgrade.
        (
            "3.3.7",
            {"web": "3.3.7", "worker": "3.3.6"},
            Status.WARN,
            "runs 3.3.6 3.3.7, configured is 3.3.7",
        ),
        ("stable", {"web": "3.3.6"}, Status.OK, "3.3.6"),
        ("3.3.7", {}, Status.FAIL, "no process reports a version"),
    ],
)
def test_the_version_that_postal_reports_is_compared_with_the_tag(
    fleet_from: Write,
    tmp_path: Path,
    tag: str,
    images: dict[str, str],
    status: Status,
    finding: str,
) -> None:
    fleet = fleet_from(f'postal_version = "{tag}"')
    probe = next(it for it in postal.probes(fleet, fleet.hosts["postal1"]) if it.name == "version")
    assert isinstance(probe, Probe)
    running = " ".join(f"echo postal:{it} {name};" for name, it in images.items())
    said = " ".join(f'"exec {name} postal version") echo {it} ;;' for name, it in images.items())
    docker = f'case "$*" in ps*) {running} ;; {said} *) exit 1 ;; esac'
    found = _ask(probe, tmp_path, docker)
    assert (found.status, found.message) == (status, finding)


def test_a_stopped_docker_is_reported_and_not_started(fleet_from: Write, tmp_path: Path) -> None:
    """Its socket would start it, so the program must not be led there."""
    docker = 'if [ "$DOCKER_HOST" ]; then echo "cannot connect to $DOCKER_HOST"; exit 1; fi'
    (probe,) = docker_component.probes(fleet := fleet_from(), fleet.hosts["postal1"])
    found = _ask(probe, tmp_path, docker, systemctl="exit 3")
    assert found.status is Status.FAIL
    assert found.message == "cannot connect to unix:///docker.service-is-not-active"
    assert _ask(probe, tmp_path, docker).status is Status.OK


def _waiting(ago: int, *reasons: str) -> str:
    """A line of `postqueue -j` (postqueue(1))."""
    recipients = [
        {"address": "a@b.test"} | ({"delay_reason": reason} if reason else {}) for reason in reasons
    ]
    row = {"queue_name": "deferred", "queue_id": "4ABC", "arrival_time": int(time.time()) - ago}
    return json.dumps(row | {"message_size": 1, "sender": "s@c.test", "recipients": recipients})


@pytest.mark.parametrize(
    ("queue", "status", "finding"),
    [
        ([], Status.OK, r"0 in the queue, the oldest for 0 s"),
        ([(60, "")], Status.OK, r"1 in the queue, the oldest for [67]\d s"),
        (
            [(14_400, "answered 503", "answered 503"), (5, "timed out")],
            Status.WARN,
            r"2 in the queue, the oldest for 144\d\d s, mostly: 2 answered 503",
        ),
        (
            # A server elsewhere that greylists, or is down for an hour.
            [(3600, "greylisted")],
            Status.OK,
            r"1 in the queue, the oldest for 3[67]\d\d s, mostly: 1 greylisted",
        ),
        (
            [(5, ""), (86_400, "timed out")],
            Status.FAIL,
            r"2 in the queue, the oldest for 864\d\d s, mostly: 1 timed out",
        ),
    ],
)
def test_queue_status_depends_on_the_oldest_message(
    fleet_from: Write, tmp_path: Path, queue: list[tuple[int, str]], status: Status, finding: str
) -> None:
    fleet = fleet_from(inventory=MAILSERVER_INVENTORY, mailserver=MAILSERVER)
    found = mailserver.probes(fleet, fleet.hosts["mx1"])
    (probe,) = (it for it in found if it.name == "queue")
    assert isinstance(probe, Probe)
    # Made now, not when tests are collected: their age counts from here.
    lines = " ".join(f"'{_waiting(*message)}'" for message in queue)
    told = _ask(probe, tmp_path, f"printf '%s\\n' {lines}" if queue else ":")
    assert told.status is status
    assert re.fullmatch(finding, told.message), told.message


def test_a_queue_that_cannot_be_read_is_a_failure(fleet_from: Write, tmp_path: Path) -> None:
    fleet = fleet_from(inventory=MAILSERVER_INVENTORY, mailserver=MAILSERVER)
    found = mailserver.probes(fleet, fleet.hosts["mx1"])
    (probe,) = (it for it in found if it.name == "queue")
    assert isinstance(probe, Probe)
    told = _ask(probe, tmp_path, "echo no such container >&2; exit 1")
    assert (told.status, told.message) == (Status.FAIL, "no such container")


_HOST_NETWORKING = 'postal_networking = "host"\npostal_use_ip_pools = True\n'
_ADDRESSES = """printf '%s\\n' '1: lo    inet 127.0.0.1/8 scope host lo' \\
    '2: eth0    inet 192.0.2.10/24 brd 192.0.2.255 scope global eth0' \\
    '2: eth0    inet6 2001:db8::10/64 scope global'"""
_SPREAD = """
_one = ("postal1", {"host_fqdn": "postal1.example.com", "host_private_ipv4": "10.0.0.1"})
_two = ("postal2", {"host_fqdn": "postal2.example.com", "host_private_ipv4": "10.0.0.2"})
postal = [_one]
database = [_one]
caddy = [_one]
postal_worker = [_one, _two]
"""


@pytest.mark.parametrize(
    ("inventory", "pairs", "status", "finding"),
    [
        (INVENTORY, [], Status.OK, "no pool addresses"),
        (
            INVENTORY,
            ["192.0.2.10 2001:DB8::10"],
            Status.OK,
            "1 of 1 pool addresses are on this host",
        ),
        (INVENTORY, ["192.0.2.10 "], Status.OK, "1 of 1 pool addresses are on this host"),
        (INVENTORY, ["192.0.2.10", "192.0.2.11"], Status.FAIL, "not on this host: 192.0.2.11"),
        # By its IPv4 address the worker takes it, and cannot send from the other.
        (INVENTORY, ["192.0.2.10 2001:db8::11"], Status.FAIL, "not on this host: 2001:db8::11"),
        # It may be the other worker's.
        (
            _SPREAD,
            ["192.0.2.10", "192.0.2.11"],
            Status.OK,
            "1 of 2 pool addresses are on this host",
        ),
        (_SPREAD, ["192.0.2.10 2001:db8::11"], Status.FAIL, "not on this host: 2001:db8::11"),
    ],
)
def test_pool_addresses_must_be_on_the_host(
    fleet_from: Write,
    tmp_path: Path,
    inventory: str,
    pairs: list[str],
    status: Status,
    finding: str,
) -> None:
    """Of the container's Ruby only what it prints is made up here."""
    (tmp_path / "ip").write_text(f"#!/bin/sh\n{_ADDRESSES}\n")
    (tmp_path / "ip").chmod(0o755)
    fleet = fleet_from(_HOST_NETWORKING, inventory, postal_worker=POSTAL + _HOST_NETWORKING)
    found = postal.probes(fleet, fleet.hosts["postal1"])
    (probe,) = (it for it in found if it.name == "pool addresses")
    assert isinstance(probe, Probe)
    told = "; ".join(f"echo 'pair {pair}'" for pair in pairs) or ":"
    docker = f'case "$*" in ps*) echo 4afe ;; *) cat >/dev/null; {told} ;; esac'
    answer = _ask(probe, tmp_path, docker)
    assert (answer.status, answer.message) == (status, finding)


def test_without_ip_pools_there_is_no_probe_of_pool_addresses(fleet_from: Write) -> None:
    fleet = fleet_from()
    names = {it.name for it in postal.probes(fleet, fleet.hosts["postal1"])}
    assert "pool addresses" not in names


def _of_mailserver(fleet_from: Write, name: str) -> Probe:
    fleet = fleet_from(inventory=MAILSERVER_INVENTORY, mailserver=MAILSERVER)
    found = mailserver.probes(fleet, fleet.hosts["mx1"])
    (probe,) = (it for it in found if it.name == name)
    assert isinstance(probe, Probe)
    return probe


# As supervisorctl prints and exits (3: not all of them run).
_RUNS = "postfix                          RUNNING   pid 812, uptime 0:01:02"
_DOVECOT = "dovecot                          {state}"


@pytest.mark.parametrize(
    ("state", "code", "status", "finding"),
    [
        ("RUNNING   pid 9, uptime 0:01:02", 0, Status.OK, "postfix, dovecot run"),
        ("STOPPED   Nov 22 03:40 AM", 3, Status.FAIL, "dovecot STOPPED"),
        ("FATAL     Exited too quickly (process log may have details)", 3, Status.FAIL, None),
    ],
)
def test_a_stopped_process_of_the_mailserver_is_named(
    fleet_from: Write, tmp_path: Path, state: str, code: int, status: Status, finding: str | None
) -> None:
    lines = f"echo '{_RUNS}'; echo '{_DOVECOT.format(state=state)}'; exit {code}"
    found = _ask(_of_mailserver(fleet_from, "processes"), tmp_path, lines)
    assert (found.status, found.message) == (status, finding or "dovecot FATAL")


def test_processes_fail_while_the_mailserver_does_not_run(
    fleet_from: Write, tmp_path: Path
) -> None:
    refuses = "echo 'Error response from daemon: No such container: mailserver' >&2; exit 1"
    found = _ask(_of_mailserver(fleet_from, "processes"), tmp_path, refuses)
    assert found.status is Status.FAIL


def test_a_watched_file_that_is_not_active_is_reported(fleet_from: Write, tmp_path: Path) -> None:
    """By the real sha512sum, on hashes as the image keeps them."""
    watched, hashes = tmp_path / "postfix-accounts.cf", tmp_path / "chksum"
    watched.write_text("a@b.test|{SHA512-CRYPT}x\n")
    made = subprocess.run(["sha512sum", watched], capture_output=True, check=True)
    hashes.write_bytes(made.stdout)
    image = (
        '[ "$1 $2 $3" = "exec mailserver sha512sum" ] && for it; do last=$it; done && '
        f'[ "$last" = /tmp/docker-mailserver-config-chksum ] && '
        f"exec sha512sum --check --status {hashes}"
    )
    probe = _of_mailserver(fleet_from, "watched files")
    assert _ask(probe, tmp_path, image).status is Status.OK
    watched.write_text("a@b.test|{SHA512-CRYPT}y\n")
    found = _ask(probe, tmp_path, image)
    assert (found.status, found.remedy) == (Status.FAIL, "deploy again")


@pytest.mark.parametrize(
    ("code", "body", "status"),
    [
        # RFC 7517.
        (200, '{"keys":[{"kty":"RSA","kid":"a"}]}', Status.OK),
        (200, "<html>Sign in</html>", Status.FAIL),
        # As Rails answers where the file of the key is none.
        (500, "We're sorry", Status.FAIL),
    ],
)
def test_a_signing_key_that_postal_cannot_read_is_reported(
    fleet_from: Write, tmp_path: Path, code: int, body: str, status: Status
) -> None:
    class Web(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/.well-known/jwks.json"
            self.send_response(code if known else 404)
            self.end_headers()
            self.wfile.write(body.encode())

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        fleet = fleet_from(f"postal_web_port = {server.server_port}")
        found = postal.probes(fleet, fleet.hosts["postal1"])
        (probe,) = (it for it in found if it.name == "signing key")
        assert isinstance(probe, Probe)
        answer = _ask(probe, tmp_path, "exit 1")
        server.shutdown()
    assert answer.status is status


@pytest.mark.parametrize(
    ("left", "life", "status"),
    [
        (60, 90, Status.OK),
        (5, 90, Status.WARN),
        (-1, 90, Status.FAIL),
        (10, 3650, Status.WARN),
        # Of a day, Caddy renews when a third is left.
        (0.34, 1, Status.OK),
        (0.07, 1, Status.WARN),
        (-0.01, 1, Status.FAIL),
    ],
)
def test_a_certificate_warns_near_the_end_of_its_life_and_fails_after_it(
    fleet_from: Write, tmp_path: Path, left: float, life: float, status: Status
) -> None:
    """By the real openssl; only the connection is another."""
    file = tmp_path / "certificate.pem"
    pem = certificate("postal.example.com", left_days=left, life_days=life)
    file.write_bytes(pem)
    fleet = fleet_from()
    host = fleet.hosts["postal1"]
    real = shutil.which("openssl")
    served = tmp_path / "openssl"
    served.write_text(f'#!/bin/sh\n[ "$1" != s_client ] || exec cat {file}\nexec {real} "$@"\n')
    served.chmod(0o755)
    probes = (*caddy.probes(fleet, host), *email_api.probes(fleet, host))
    asked = [it for it in probes if it.name in ("certificate of postal.example.com", "certificate")]
    assert len(asked) == 2
    for probe in asked:
        assert isinstance(probe, Probe)
        command = probe.command.replace("/opt/email-api/secrets", str(tmp_path))
        found = _ask(replace(probe, command=command), tmp_path, docker="exit 1")
        assert found.status is status, probe.name
        assert found.message.startswith("valid until ")
