"""Whether a host's name leads to it, as far as its resolver tells."""

import os
import subprocess
from pathlib import Path

import pytest

from mailfleet.components.preflight import bundle as preflight
from mailfleet.components.preflight.results import results
from mailfleet.converge.bundle import Bundle
from mailfleet.converge.observe import Desired, parse
from tests.unit.conftest import Write


def test_name_servers_that_are_down_end_no_deploy(
    fleet_from: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a real shell; getent stands for one that waits for them. Unpublished names are a warning,
    and a question without an answer would end the deploy."""
    monkeypatch.setattr(preflight, "_RESOLVER_SECONDS", 1)
    getent = tmp_path / "getent"
    getent.write_text("#!/bin/sh\nexec sleep 60\n")
    getent.chmod(0o755)
    fleet = fleet_from()
    host = fleet.hosts["postal1"]
    asked = preflight.bundle(fleet, host)
    name = {"host-name": asked.facts["host-name"]}
    done = subprocess.run(
        ["sh", "-c", Desired((Bundle("preflight", facts=name),)).script],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    seen = parse(done.stdout.splitlines())
    assert not seen.unanswered
    found = {result.name: result for result in results(fleet, host, seen)}
    assert (found["host-name"].status, found["host-name"].message) == (
        "warn",
        f"{host.fqdn} does not resolve",
    )
