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
      - series: mailfleet_drift_count{instance="one",component="base"}
        values: %s
      - series: mailfleet_verify_timestamp_seconds{instance="one"}
        values: 0+60x120
"""
_LOOKED = "0+60x120"

CASES = {
    "all is well": (("0x120", _LOOKED, "0x120"), set()),
    "a probe fails": (("2x120", _LOOKED, "0x120"), {"MailfleetFails"}),
    "a probe fails once": (("0x59 2 0x60", _LOOKED, "0x120"), set()),
    "a probe warns": (("1x120", _LOOKED, "0x120"), {"MailfleetWarns"}),
    "a host is off": (("3x120", _LOOKED, "0x120"), {"MailfleetUnknown"}),
    "the exporter stands still": (("0x120", "0x120", "0x120"), {"MailfleetExporterSilent"}),
    "a host has drifted": (("0x120", _LOOKED, "2x120"), {"MailfleetDrift"}),
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
    for values, fired in CASES.values():
        tests += ["  - interval: 1m", "    input_series:", _HEALTHY % values]
        tests += [
            "    promql_expr_test:",
            '      - expr: count by (alertname) (ALERTS{alertstate="firing"})',
            "        eval_time: 100m",
            "        exp_samples:" + ("" if fired else " []"),
            *(
                f"          - labels: '{{alertname=\"{name}\"}}'\n            value: 1"
                for name in fired
            ),
        ]
    file = tmp_path / "rules.test.yml"
    file.write_text("\n".join(tests) + "\n")
    _promtool("test", "rules", file)
