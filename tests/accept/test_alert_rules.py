"""The alert rules, read and evaluated by Prometheus's own promtool."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mailfleet.templates import ROOT

RULES = ROOT / "files/monitoring/mailfleet.rules.yml"
_PROMTOOL = shutil.which("promtool") or shutil.which("promtool", path=Path(sys.executable).parent)

pytestmark = pytest.mark.skipif(not _PROMTOOL, reason="no promtool; `make test` fetches it")

_HEALTHY = """
      - series: mailfleet_probe_status{host="one",component="postal",probe="worker 9090"}
        values: %s
      - series: mailfleet_health_timestamp_seconds
        values: %s
      - series: mailfleet_drift{instance="one",component="base",kind="port"}
        values: %s
      - series: mailfleet_drift{instance="one",component="base",kind="update"}
        values: %s
      - series: mailfleet_verify_timestamp_seconds{instance="one"}
        values: 0+60x3000
"""
_LOOKED = "0+60x3000"
_NONE, _TWO = "_x3000", "2x3000"
_SOON, _LATER = "100m", "2970m"

CASES = {
    "all is well": (_SOON, ("0x120", _LOOKED, _NONE, _NONE), set()),
    "a probe fails": (_SOON, ("2x120", _LOOKED, _NONE, _NONE), {"MailfleetFails"}),
    "a probe fails once": (_SOON, ("0x59 2 0x60", _LOOKED, _NONE, _NONE), set()),
    "a probe warns": (_SOON, ("1x120", _LOOKED, _NONE, _NONE), {"MailfleetWarns"}),
    "a host is off": (_SOON, ("3x120", _LOOKED, _NONE, _NONE), {"MailfleetUnknown"}),
    "the exporter stands still": (
        _SOON,
        ("0x120", "0x120", _NONE, _NONE),
        {"MailfleetExporterSilent"},
    ),
    "a host has drifted": (_SOON, ("0x120", _LOOKED, _TWO, _NONE), {"MailfleetDrift"}),
    "an update is new": (_SOON, ("0x120", _LOOKED, _NONE, _TWO), set()),
    "an update is old": (_LATER, ("0x120", _LOOKED, _NONE, _TWO), {"MailfleetUpdatesWait"}),
}


def _promtool(*arguments: str | Path) -> None:
    done = subprocess.run(
        [str(_PROMTOOL), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_reads_the_rules() -> None:
    _promtool("check", "rules", RULES)


def test_each_fault_fires_its_own_alert_and_no_other(tmp_path: Path) -> None:
    """ALERTS is Prometheus's own series of what fires."""
    tests = ["rule_files:", f"  - {RULES}", "evaluation_interval: 1m", "tests:"]
    for at, values, fired in CASES.values():
        tests += ["  - interval: 1m", "    input_series:", _HEALTHY % values]
        tests += [
            "    promql_expr_test:",
            '      - expr: count by (alertname) (ALERTS{alertstate="firing"})',
            f"        eval_time: {at}",
            "        exp_samples:" + ("" if fired else " []"),
            *(
                f"          - labels: '{{alertname=\"{name}\"}}'\n            value: 1"
                for name in fired
            ),
        ]
    file = tmp_path / "rules.test.yml"
    file.write_text("\n".join(tests) + "\n")
    _promtool("test", "rules", file)
