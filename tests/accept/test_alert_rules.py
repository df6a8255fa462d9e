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
      - series: mailfleet_probe_status{host="one",component="postal",probe="worker",level="quick"}
        values: %s
      - series: mailfleet_probe_status{host="one",component="postal",probe="version",level="full"}
        values: %s
      - series: mailfleet_health_timestamp_seconds{level="quick"}
        values: %s
      - series: mailfleet_health_timestamp_seconds{level="full"}
        values: %s
      - series: mailfleet_drift{instance="one",component="base",kind="port"}
        values: %s
      - series: mailfleet_drift{instance="one",component="base",kind="update"}
        values: %s
      - series: mailfleet_verify_timestamp_seconds{instance="one"}
        values: 0+60x3000
"""
_OK = "0x120"
_LOOKED = "0+60x3000"
# Every quarter of an hour, in between the time of the last look.
_LOOKED_FULL = " ".join(str(minute // 15 * 900) for minute in range(3001))
_LOOKED_BOTH = (_LOOKED, _LOOKED_FULL)
_NONE, _TWO = "_x3000", "2x3000"
_NO_DRIFT = (_NONE, _NONE)
_SOON, _LATER = "100m", "2970m"

CASES = {
    "all is well": (_SOON, (_OK, _OK, *_LOOKED_BOTH, *_NO_DRIFT), set()),
    "a probe fails": (_SOON, ("2x120", _OK, *_LOOKED_BOTH, *_NO_DRIFT), {"MailfleetFails"}),
    "a probe fails once": (_SOON, ("0x96 2 0x30", _OK, *_LOOKED_BOTH, *_NO_DRIFT), set()),
    "a full look fails": (
        _SOON,
        (_OK, "2x120", *_LOOKED_BOTH, *_NO_DRIFT),
        {"MailfleetFullFails"},
    ),
    # 15 minutes of the same result are one look.
    "a full look fails once": (
        _SOON,
        (_OK, "0x86 2x14 0x20", *_LOOKED_BOTH, *_NO_DRIFT),
        set(),
    ),
    "a probe warns": (_SOON, ("1x120", _OK, *_LOOKED_BOTH, *_NO_DRIFT), {"MailfleetWarns"}),
    "a host is off": (
        _SOON,
        ("3x120", "3x120", *_LOOKED_BOTH, *_NO_DRIFT),
        {"MailfleetUnknown", "MailfleetFullUnknown"},
    ),
    "the exporter stands still": (
        _SOON,
        (_OK, _OK, "0x120", "0x120", *_NO_DRIFT),
        {"MailfleetExporterSilent"},
    ),
    "full looks stand still": (
        _SOON,
        (_OK, _OK, _LOOKED, "0x120", *_NO_DRIFT),
        {"MailfleetExporterSilent"},
    ),
    "a host has drifted": (_SOON, (_OK, _OK, *_LOOKED_BOTH, _TWO, _NONE), {"MailfleetDrift"}),
    "an update is new": (_SOON, (_OK, _OK, *_LOOKED_BOTH, _NONE, _TWO), set()),
    "an update is old": (
        _LATER,
        (_OK, _OK, *_LOOKED_BOTH, _NONE, _TWO),
        {"MailfleetUpdatesWait"},
    ),
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
            '      - expr: group by (alertname) (ALERTS{alertstate="firing"})',
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


def test_an_unreachable_host_alerts_after_three_minutes(tmp_path: Path) -> None:
    labels = 'host="one",component="ssh",probe="login",level="quick"'
    file = tmp_path / "rules.test.yml"
    file.write_text(f"""
rule_files: [{RULES}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: mailfleet_probe_status{{{labels}}}
        values: 0 3x9
    promql_expr_test:
      - expr: group by (alertname) (ALERTS{{alertstate="firing", alertname=~"Mailfleet.*Un.*"}})
        eval_time: 3m
        exp_samples: []
      - expr: group by (alertname) (ALERTS{{alertstate="firing", alertname=~"Mailfleet.*Un.*"}})
        eval_time: 5m
        exp_samples:
          - labels: '{{alertname="MailfleetUnreachable"}}'
            value: 1
""")
    _promtool("test", "rules", file)
