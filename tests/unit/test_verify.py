"""What a host says of itself between two runs, on files of this machine."""

import ast
import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailfleet.agent import evaluate as judges
from mailfleet.checks.drift_check import DriftCheck
from mailfleet.converge.bundle import File, Unit
from mailfleet.converge.database import native_password_hash, told_password
from mailfleet.converge.manifest import manifest_path
from mailfleet.converge.observe import Container, Observation
from mailfleet.deploying.desired import desired_bundles
from mailfleet.deploying.drift_checks import drift_checks
from mailfleet.drift.evaluate import differences
from mailfleet.fleet.fleet import Fleet
from mailfleet.secrets import MASK, Secret
from mailfleet.templates import ROOT
from tests.probes import install
from tests.unit.conftest import Write


@pytest.fixture
def verifier(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """With the judges of this machine, and given back what a process of its own may change."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found = runpy.run_path(str(ROOT / "files/base/mailfleet-verify"))
    monkeypatch.setitem(found["run"].__globals__, "LIBRARY", str(Path(judges.__file__).parent))
    return found


def test_every_stranger_in_an_owned_directory_is_named(
    verifier: dict[str, Any], tmp_path: Path
) -> None:
    """As `find ! -type d` names them to a deploy, which removes them."""
    (tmp_path / "inside").mkdir()
    for name in ("known", "stranger", "inside/stranger"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("/etc")
    found = tmp_path.stat()
    described = {
        "files": [[f"{tmp_path}/known", "644", 0, 0, ""]],
        "directories": [
            [str(tmp_path), f"{found.st_mode & 0o7777:o}", found.st_uid, found.st_gid, True]
        ],
    }
    assert set(verifier["directories"](described)) == {
        ("extra file", f"{tmp_path}/{name}", "present")
        for name in ("stranger", "inside/stranger", "link")
    }


@pytest.mark.parametrize("docker", ["echo no daemon >&2; exit 1", "exec sleep 60"])
def test_a_docker_that_does_not_answer_is_no_missing_container(
    verifier: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, docker: str
) -> None:
    active = "echo Id=docker.service; echo ActiveState=active"
    install(tmp_path, docker=docker, systemctl=active)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setitem(verifier["run"].__globals__, "SECONDS", 1)
    described = dict.fromkeys(["files", "absent", "directories", "conditions", "units"], ())
    found = verifier["everything"]({"caddy": {**described, "services": [["caddy", "caddy"]]}})
    assert found == {"caddy": [("unknown", "containers", "nothing")]}


@pytest.mark.parametrize("systemctl", ["echo 'Connection timed out' >&2; exit 1", "exec sleep 60"])
def test_a_systemd_that_does_not_answer_has_no_missing_unit(
    verifier: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, systemctl: str
) -> None:
    """As `mailfleet drift` tells it: nothing is known of containers then, either."""
    install(tmp_path, systemctl=systemctl)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setitem(verifier["run"].__globals__, "SECONDS", 1)
    nothing = dict.fromkeys(["files", "absent", "directories", "conditions", "services"], ())
    postal = {**nothing, "units": [["postal.timer", ""]], "services": [["postal", "web"]]}
    found = verifier["everything"]({"base": {**nothing, "units": ()}, "postal": postal})
    unknown = [("unknown", "units", "nothing"), ("unknown", "containers", "nothing")]
    assert found == {"base": [], "postal": unknown}


def test_hosts_are_told_how_they_are_looked_at_and_no_secret(fleet_from: Write) -> None:
    """What they are told is data: judged as the same data is here, after JSON."""
    fleet = fleet_from()
    masked = Fleet(fleet.hosts, fleet.directory, fleet.schema, masked=True)
    told_secret = told_password(native_password_hash(Secret(MASK)))
    for host in masked.hosts.values():
        bundles, at_host = desired_bundles(masked, host)
        manifests = {
            name: bundle.file(manifest_path(bundle)).content.decode()
            for name, bundle in bundles.items()
            if bundle.files
        }
        rows = {
            (name, row[0]): row
            for name in manifests
            for row in json.loads(manifests[name])["looks"]
        }
        assert set(rows) == {(look.component, look.name) for look in at_host if not look.secret}
        for look in at_host:
            if not look.secret:
                _, commands, judge, wanted, needs, reads = rows[look.component, look.name]
                assert getattr(judges, judge) is look.evaluate
                assert json.loads(json.dumps(look.desired)) == wanted
                assert (tuple(commands), needs, tuple(reads)) == (
                    look.commands,
                    look.needs,
                    look.reads,
                )
        text = "".join(manifests.values())
        assert MASK not in text
        assert told_secret.removeprefix("password ") not in text


@pytest.mark.parametrize(
    "file", [ROOT / "files/base/mailfleet-verify", Path(judges.__file__)], ids=lambda it: it.name
)
def test_it_needs_no_more_than_the_python_of_the_host(file: Path) -> None:
    """Ubuntu 22.04 has Python 3.10."""
    tree = ast.parse(file.read_text(), feature_version=(3, 10))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert imported <= sys.stdlib_module_names | {"evaluate"}


@pytest.mark.parametrize(
    ("command", "seen"),
    [
        ("echo held curl; echo W: half a list >&2", [("package", "curl", "held back")]),
        ("echo held curl; echo E: no list >&2; exit 1", [("unknown", "updates", "E: no list")]),
        ("exit 1", [("unknown", "updates", "nothing")]),
        ("exec sleep 60", [("unknown", "updates", "no answer within 1 s")]),
        ("echo other", [("unknown", "updates", "ValueError")]),
    ],
)
def test_a_look_is_judged_as_on_the_control_machine(
    verifier: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    seen: list[tuple[str, str, str]],
) -> None:
    monkeypatch.setitem(verifier["run"].__globals__, "SECONDS", 1)
    answers = {command: verifier["shell"](command, True)}
    found = list(verifier["judged"]([("updates", [command], "updates", None)], answers, judges))
    assert [one[:2] for one in found] == [one[:2] for one in seen]
    assert found[0][2].startswith(seen[0][2])


@pytest.mark.parametrize(
    ("needs", "docker", "status", "differing", "asked"),
    [
        ("", False, "", "", True),
        ("docker", True, "", "", True),
        ("docker", False, "", "", False),
        ("caddy/caddy", True, "Up 5 minutes (healthy)", "", True),
        ("caddy/caddy", True, "Up 5 seconds (health: starting)", "", False),
        ("caddy/caddy", True, "", "", False),
        ("", True, "", "/etc/read", False),
        ("", True, "", "/etc/other", True),
    ],
)
def test_what_cannot_answer_is_asked_on_neither_side(
    verifier: dict[str, Any], needs: str, docker: bool, status: str, differing: str, asked: bool
) -> None:
    look = DriftCheck("caddy", "x", ("true",), judges.updates, None, needs, reads=("/etc/read",))
    rows = {"looks": [["x", ["true"], "updates", None, needs, ["/etc/read"]]]}
    found = {("caddy", "caddy"): [["", "running", status]]} if status else {}
    assert bool(list(verifier["looks"](rows, {differing}, docker, found, judges))) is asked

    unit = {"docker.service": {"ActiveState": "active" if docker else "inactive"}}
    containers = (Container("caddy", "caddy", "", "running", status),) if status else ()
    seen = Observation(units=unit, containers=containers)
    # Asked without an answer, which is told.
    assert bool(list(differences(look, seen, {differing}))) is asked


def test_a_byte_that_is_no_utf_8_stops_no_look(verifier: dict[str, Any]) -> None:
    (said,) = verifier["shell"]("printf 'Andr\\351 here'", docker=True).stdout.splitlines()
    assert said.endswith(" here")


def test_a_change_of_one_component_leaves_the_lists_of_others(fleet_from: Write) -> None:
    """But for those that every deploy goes through: a deploy of what was changed is enough."""
    fleet = fleet_from()
    masked = Fleet(fleet.hosts, fleet.directory, fleet.schema, masked=True)
    host = masked.hosts["postal1"]
    bundles, before = desired_bundles(masked, host)
    postal = bundles["postal"]
    assert postal.project
    path = "/opt/postal/config/another"
    changed = replace(
        postal,
        files=(*postal.files, File(path, b"")),
        units=(*postal.units, Unit("another.service", depends_on=(path,))),
        project=replace(postal.project, services=("another",), mounted=(path,)),
    )
    after = set(map(str, drift_checks(masked, host, {**bundles, "postal": changed})))
    others = {str(look) for look in before if look.component in ("mariadb", "caddy")}
    assert others and others <= after
    assert {str(look) for look in before} != after
