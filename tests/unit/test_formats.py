"""What other tools are told: CI, Nagios, Prometheus."""

import json
import re
import runpy
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from mailfleet.checks.formats import junit, nagios
from mailfleet.checks.result import CheckResult, Level, Status
from mailfleet.checks.terminal import table
from mailfleet.cli.drift import lines
from mailfleet.components.registry import COMPONENTS
from mailfleet.drift.finding import Finding, HostReport, Kind, Report
from mailfleet.fleet.fleet import Fleet
from mailfleet.health.exporter import HealthCollector
from mailfleet.templates import ROOT
from tests.unit.conftest import Write

_REFERENCE = Path(__file__).parents[2] / "docs/reference"

OK = CheckResult("one", "base", "disk", Status.OK, "45% used", "", 45.0, "warns from 80%")
WARN = CheckResult("one", "postal", "held", Status.WARN, "3 held", "look at them", 3.0)
FAIL = CheckResult("two", "postal", "worker", Status.FAIL, "a <b> | \x1b[31m c", "read the log")
UNKNOWN = CheckResult(
    "two", "caddy", "redirect", Status.UNKNOWN, "the host did not answer", "log in"
)


@pytest.mark.parametrize(
    ("found", "line", "code"),
    [
        ([OK], "HEALTH OK - 1 of 1 ok | 'one base disk'=45", 0),
        (
            [OK, WARN],
            "HEALTH WARNING - 1 of 2 warn: one postal: held: 3 held | "
            "'one base disk'=45 'one postal held'=3",
            1,
        ),
        ([UNKNOWN], "HEALTH UNKNOWN - 1 of 1 unknown: two caddy: redirect: the host did not ", 3),
        ([UNKNOWN, FAIL, WARN], "HEALTH CRITICAL - 1 of 3 fail: two postal: worker: a <b> / ", 2),
        ([FAIL] * 5, "HEALTH CRITICAL - 5 of 5 fail: two postal: worker", 2),
        ([], "HEALTH UNKNOWN - 0 of 0 unknown", 3),
    ],
)
def test_the_worst_decides_what_nagios_is_told(
    found: list[CheckResult], line: str, code: int
) -> None:
    told, exits = nagios("HEALTH", found)
    assert told.startswith(line)
    assert exits == code
    assert "\n" not in told
    assert told.partition(" | ")[0].count("|") == 0


def test_junit_has_a_case_for_each_result() -> None:
    whole = ElementTree.fromstring(junit("Health of a", [OK, WARN, FAIL, UNKNOWN]))
    assert (whole.get("tests"), whole.get("failures"), whole.get("errors")) == ("4", "1", "1")
    assert [suite.get("name") for suite in whole] == ["one", "two"]
    failure = whole.find(".//testcase[@name='worker']/failure")
    assert failure is not None
    assert "a <b>" in str(failure.get("message"))
    assert "-> read the log" in str(failure.get("message"))


def test_drift_fails_in_other_tools_too() -> None:
    finding = Finding("one", "base", Kind.FILE, "/etc/a", "b", "c", "deploy again")
    unanswered = Finding("one", "base", Kind.UNKNOWN, "clock", "an answer", "nothing", "look")
    report = Report("i", "now", (HostReport("one", (finding, unanswered)), HostReport("two")))
    assert [(one.host, one.name, one.status) for one in report.results] == [
        ("one", "file /etc/a", Status.FAIL),
        ("one", "unknown clock", Status.UNKNOWN),
        ("two", "drift", Status.OK),
    ]
    off = Report("i", "now", (HostReport("one", error="cannot log in"),))
    assert nagios("DRIFT", off.results)[1] == 3


def test_output_of_hosts_cannot_control_the_terminal() -> None:
    """A banner, a log line or a blocklist's reason is what others write."""
    found = [replace(FAIL, name="port \x1b[2J", message="220 \x1b]0;owned\x07 mx")]
    # Two of the status's own colour.
    assert "".join(table(found)).count("\x1b[") == 2
    assert "\x1b]" not in "".join(table(found))
    assert "\x1b" not in nagios("HEALTH", found)[0]
    assert "\x1b" not in junit("x", found)
    drifted = ("x\x1b[2J", "a", "b\x07", "c", ("+\x1b[2J\tx",))
    image = Finding("one", "docker", Kind.CONTAINER, *drifted)
    assert not re.search(r"[\x07\t]|\x1b\[2J", "".join(lines(image)))


def _scraped(collector: HealthCollector) -> str:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


def test_nothing_is_scraped_before_anything_was_found() -> None:
    assert _scraped(HealthCollector()) == ""


def test_what_is_no_longer_asked_is_no_longer_scraped() -> None:
    collector = HealthCollector()
    collector.keep([OK, FAIL], 1.0, Level.FULL)
    labels = '{component="postal",host="two",level="quick",probe="worker"}'
    assert f"mailfleet_probe_status{labels} 2.0" in _scraped(collector)
    collector.keep([OK], 1.0, Level.QUICK)
    assert 'host="two"' not in _scraped(collector)


def test_a_quick_look_makes_nothing_fresh_that_it_did_not_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = replace(FAIL, name="version", level=Level.FULL)
    collector = HealthCollector()
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    collector.keep([OK, full], 9.0, Level.FULL)
    monkeypatch.setattr(time, "time", lambda: 1060.0)
    collector.keep([OK], 1.0, Level.QUICK)
    lines = _scraped(collector).splitlines()
    labels = '{component="postal",host="two",level="full",probe="version"}'
    assert f"mailfleet_probe_status{labels} 2.0" in lines
    assert 'mailfleet_health_timestamp_seconds{level="quick"} 1060.0' in lines
    assert 'mailfleet_health_timestamp_seconds{level="full"} 1000.0' in lines
    assert 'mailfleet_health_duration_seconds{level="quick"} 1.0' in lines
    collector.keep([OK], 9.0, Level.FULL)
    assert "version" not in _scraped(collector)


def _written() -> dict[str, set[str]]:
    """Metric -> its labels, of the exporter and of the hosts' verifier."""
    collector = HealthCollector()
    collector.keep([OK], 1.0, Level.FULL)
    verifier = runpy.run_path(str(ROOT / "files/base/mailfleet-verify"))
    finding = {"component": "base", "kind": "file", "name": "/etc/a", "seen": "absent"}
    text = _scraped(collector) + verifier["metrics"]([finding], ["base"], 0)
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            if key in ("expr", "query") and isinstance(one, str):
                yield one
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def _expressions() -> dict[str, list[str]]:
    rules = (ROOT / "files/monitoring/mailfleet.rules.yml").read_text()
    dashboard = json.loads((ROOT / "files/monitoring/grafana.json").read_text())
    return {
        "rules": re.findall(r"expr: (.+)", rules),
        "dashboard": [one for one in _strings(dashboard) if "mailfleet_" in one],
    }


@pytest.mark.parametrize("place", ["rules", "dashboard"])
def test_every_metric_that_is_named_is_written(place: str) -> None:
    expressions = _expressions()[place]
    written = _written()
    assert len(expressions) >= 6
    # What Prometheus itself adds: the target.
    known = set.union(*written.values()) | {"instance"}
    for expression in expressions:
        names = set(re.findall(r"\bmailfleet_\w+", expression))
        assert names, expression
        assert names <= set(written), expression
        labels = re.findall(r"(\w+)=~?\"|by \(([^)]*)\)", expression)
        for one, several in labels:
            assert {it.strip() for it in (one or several).split(",")} <= known, expression


def _probes(fleet: Fleet) -> set[tuple[str, str]]:
    return {
        (component.name, probe.name)
        for host in fleet.hosts.values()
        for component in COMPONENTS
        if component.probes and component.on(fleet, host)
        for probe in component.probes(fleet, host)
    }


def test_every_probe_that_the_dashboard_names_exists(fleet_from: Write) -> None:
    known = {probe for _, probe in _probes(fleet_from())}
    named = {
        name
        for expression in _expressions()["dashboard"]
        for name in re.findall(r"probe=~?\"([^\"]+)\"", expression)
    }
    assert named
    for name in named:
        assert any(re.fullmatch(name, one) for one in known), name


def test_json_of_results_matches_the_published_schema() -> None:
    schema = json.loads((_REFERENCE / "results.schema.json").read_text())
    fields = schema["$defs"]["CheckResult"]
    result = asdict(replace(FAIL, expected="running", evidence=("+ line",)))
    assert set(fields["properties"]) == set(result)
    assert {"host", "component", "name", "status", "message"} == set(fields["required"])
