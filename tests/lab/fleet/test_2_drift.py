"""Drift of the whole fleet while one of its hosts is off."""

from pathlib import Path
from typing import Any

from tests.lab.console import Operator


def test_drift_reports_the_other_hosts_when_one_is_unreachable(
    deployed: Operator, tmp_path: Path
) -> None:
    # Without mx1, which other tests may have left different.
    changes = (
        'postal2["ssh_port"] = 1\n'
        'groups = {role: [n for n in names if n != "mx1"] for role, names in groups.items()}'
    )
    one_off = deployed.variant(tmp_path, changes)
    outcome = one_off.run_json("mailfleet", "drift", one_off.inventory, "--json")
    hosts: dict[str, Any] = {host["name"]: host for host in outcome.data["hosts"]}
    findings = [host["findings"] for host in hosts.values() if host["findings"]]
    assert (outcome.code, findings) == (3, [])
    assert hosts["postal1"]["error"] is None
    assert "cannot log in" in hosts["postal2"]["error"]
