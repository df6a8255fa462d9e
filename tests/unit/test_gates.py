"""Gates: which probes a deploy ends with, and what is made of their answers."""

import os
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from mailfleet.checks.gates import Gate, gates_of
from mailfleet.checks.probe import ExternalProbe, Limit, Probe
from mailfleet.checks.result import Level
from mailfleet.components.registry import COMPONENTS
from mailfleet.converge.bundle import Bundle, File, Project, Unit
from mailfleet.converge.observe import Observation
from mailfleet.converge.services import steps_of
from mailfleet.fleet.fleet import Fleet
from tests.unit.conftest import POSTAL, Write

_INVENTORY = """
_all = ("all1", {
    "host_fqdn": "all1.example.com",
    "host_public_ipv4": "192.0.2.10",
    "host_private_ipv4": "10.0.0.10",
})
_worker = ("worker1", {"host_fqdn": "worker1.example.com", "host_private_ipv4": "10.0.0.11"})
postal = [_all]
postal_worker = [_worker]
database = [_all]
caddy = [_all]
"""
_MX_INVENTORY = """
_mx = ("mx1", {"host_fqdn": "mx1.example.com", "host_public_ipv4": "192.0.2.20"})
mailserver = [_mx]
email_api = [_mx]
"""
_MX = """
from mailfleet.secrets import secret
mailserver_hostname = "mx1.example.com"
mailserver_domains = ["in.example.com"]
mailserver_postmaster = "postmaster@in.example.com"
mailserver_accounts = {"app@example.com": secret("mailserver/app")}
mailserver_tls = "given"
email_api_aliases = {"postmaster@in.example.com": ["me@example.org"]}
email_api_relay_host = "relay.example.net"
email_api_srs_domain = "in.example.com"
"""
_POSTAL = f'{POSTAL}\npostal_track_domains = ["click.example.com"]\npostal_worker_replicas = 2\n'

GATES = {
    # A unit of somebody else's that failed, and a clock that needs minutes, are no reasons.
    "base": set(),
    "access": {"ssh", "firewall"},
    "docker": {"engine"},
    "mariadb": {"queries", "binary log"},
    # Certificates come when the CA gives them.
    "caddy": {"redirect"},
    "postal": {
        "login page",
        "signing key",
        "tracking",
        "SMTP server",
        "SMTP on port 25",
        "STARTTLS",
        "worker 9090",
        "worker 9092",
    },
    # Neither the relay, nor a certificate whose time is over.
    "email_api": {"database"},
    # Not the API.
    "mailserver": {
        "SMTP on port 25",
        "submission",
        "processes",
        "user-patches.sh",
        "watched files",
        "certificate on port 25",
        "certificate on port 465",
        "certificate on port 587",
    },
}


def _gates(fleet: Fleet, host: str) -> dict[str, set[str]]:
    masked = Fleet(fleet.hosts, fleet.directory, fleet.schema, masked=True)
    there = masked.hosts[host]
    return {
        component.name: {gate.name for gate in component.bundle(masked, there).gates}
        for component in COMPONENTS
        if component.bundle and component.on(fleet, there) and component.name in GATES
    }


def test_a_deploy_of_postal_ends_with_the_probes_that_tell_of_it(fleet_from: Write) -> None:
    found = _gates(fleet_from(inventory=_INVENTORY, all=_POSTAL), "all1")
    assert found == {name: GATES[name] for name in found}
    assert {"postal", "mariadb", "caddy"} <= found.keys()


def test_a_deploy_of_a_mailserver_ends_with_the_probes_that_tell_of_it(fleet_from: Write) -> None:
    found = _gates(fleet_from(inventory=_MX_INVENTORY, mailserver=_MX), "mx1")
    assert found == {name: GATES[name] for name in found}
    assert {"mailserver", "email_api"} <= found.keys()


def test_a_host_answers_for_the_processes_that_it_carries(fleet_from: Write) -> None:
    found = _gates(fleet_from(inventory=_INVENTORY, all=_POSTAL), "worker1")
    assert found["postal"] == {"worker 9090", "worker 9092"}


def test_neither_what_is_measured_nor_what_others_decide_rolls_a_deploy_back() -> None:
    probes = (
        Probe("engine", "true", "see"),
        Probe("load", "true", "see", limit=Limit(4, 50)),
        Probe("port 25 outbound", "true", "see", level=Level.FULL),
        Probe("clock", "true", "see", gate_exempt="time decides"),
        ExternalProbe("chain", lambda: pytest.fail("not asked"), "see"),
    )
    assert [gate.name for gate in gates_of(probes)] == ["engine"]


_COMPOSE = File("/opt/demo/compose.yaml", b"services: {}\n")
_GATE = Gate("greeting", "echo 'it'\\''s a greeting'", "read `demo logs`", 15)
_DEMO = Bundle(
    "demo",
    files=(_COMPOSE,),
    units=(Unit("demo.timer"),),
    project=Project("demo", "/opt/demo", ("web",)),
    gates=(_GATE,),
)


def test_nothing_is_recorded_as_followed_before_the_gates() -> None:
    """Or the next run of the same description would have nothing to do."""
    steps = steps_of(_DEMO, Observation())
    words = [step.split()[0] for step in steps]
    assert words == ["unit", "up", "gate", "record", "hashes", "record", "record"]


def _ask(
    probe: Probe, directory: Path, seconds: int = 0, of_a_try: int = 15, docker: str = "exit 0"
) -> subprocess.CompletedProcess[str]:
    """Run the gate of a probe on this machine, as the last step of a deploy of `demo`; `docker` is
    what systemctl does when it is asked for Docker."""
    systemctl = directory / "systemctl"
    systemctl.write_text(f"#!/bin/sh\n{docker}\n")
    systemctl.chmod(0o755)
    (gate,) = gates_of([probe])
    follow = files("mailfleet.converge").joinpath("follow.sh").read_text(encoding="utf-8")
    bundle = Bundle("demo", units=(Unit("demo.timer"),), gates=(gate,))
    step = next(it for it in steps_of(bundle, Observation()) if it.startswith("gate "))
    asked = step.replace("gate 30 15 ", f"gate {seconds} {of_a_try} ", 1)
    assert asked != step or (seconds, of_a_try) == (30, 15)
    script = "\n".join(["set -eu", f"state={directory} component=demo", follow, asked, "echo on"])
    path = {"PATH": f"{directory}:{os.environ['PATH']}"}
    return subprocess.run(
        ["sh", "-c", script], env=path, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("code", [0, 80])
def test_what_holds_and_what_is_only_warned_of_passes(tmp_path: Path, code: int) -> None:
    done = _ask(Probe("page", f"echo it\\'s fine; exit {code}", "see"), tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "on\n", "")


@pytest.mark.parametrize(
    ("command", "finding"),
    [
        ("echo first; echo 'HTTP 500'; exit 1", "HTTP 500"),
        ("echo 'not there' >&2; exit 7", "not there"),
        ("printf 'said \\033]0;owned\\007'; exit 1", "said ]0;owned"),
        ("exit 3", "no output"),
        # With which a shell ends by itself, and grep(1) on an error.
        ("echo 'cannot open'; exit 2", "cannot open"),
    ],
)
def test_a_gate_that_fails_tells_probe_finding_and_remedy(
    tmp_path: Path, command: str, finding: str
) -> None:
    done = _ask(Probe("login page", command, "read `postal logs web`"), tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"mailfleet: health gate failed: demo: login page: {finding}",
        "mailfleet: hint: read `postal logs web`",
    ]


def test_a_gate_that_hangs_fails(tmp_path: Path) -> None:
    done = _ask(Probe("page", "sleep 60", "see"), tmp_path, of_a_try=1)
    assert "health gate failed: demo: page: no answer within 1 s" in done.stderr


def test_a_service_has_time_to_come_up(tmp_path: Path) -> None:
    once = f"[ -e {tmp_path}/asked ] || {{ touch {tmp_path}/asked; exit 1; }}"
    assert _ask(Probe("page", once, "see"), tmp_path, seconds=30).stdout == "on\n"


def test_no_gate_starts_a_stopped_docker(tmp_path: Path) -> None:
    """Its socket would: the program is led elsewhere."""
    probe = Probe("engine", 'echo "asks ${DOCKER_HOST-Docker}"; exit 1', "see")
    assert "engine: asks Docker\n" in _ask(probe, tmp_path).stderr
    stopped = _ask(probe, tmp_path, docker="exit 3").stderr
    assert "engine: asks unix:///docker.service-is-not-active\n" in stopped
