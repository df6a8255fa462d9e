"""The openspf.org test suite for RFC 7208, release 2014.04, in full (data/rfc7208-tests.yml, as
pyspf ships it; licence beside it)."""

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml

from mailfleet.dns.resolve.answer import Answer, Question, Status, run
from mailfleet.dns.spf import evaluate

SUITE = Path(__file__).parent / "data/rfc7208-tests.yml"
SCENARIOS = [scenario for scenario in yaml.safe_load_all(SUITE.read_text("utf-8")) if scenario]
CASES = [
    pytest.param(scenario["zonedata"], case, id=name)
    for scenario in SCENARIOS
    for name, case in scenario["tests"].items()
]


class SuiteZone:
    """The suite's zone data, with its own rules: SPF records stand for TXT records where a name has
    no TXT, and TIMEOUT answers for every type that the name has not shown before."""

    def __init__(self, data: dict[str, list[Any]]) -> None:
        self._data = {name.lower(): records for name, records in data.items()}

    def lookup(self, question: Question) -> Answer:
        name, chain = question.name, []
        while True:
            records = self._data.get(name)
            if records is None:
                return Answer(question, Status.NXDOMAIN, (), tuple(chain))
            values = []
            for kind, value in self._records(records):
                if value == "TIMEOUT" and kind in ("", question.type):
                    if kind or not values:
                        return Answer(question, Status.TIMEOUT)
                elif kind == question.type:
                    values.append(self._text(kind, value))
            alias = [value for kind, value in self._records(records) if kind == "CNAME"]
            if values or not alias:
                status = Status.OK if values else Status.NODATA
                return Answer(question, status, tuple(values), tuple(chain))
            name = alias[0].lower()
            chain.append(name)

    @staticmethod
    def _records(records: list[Any]) -> Iterator[tuple[str, Any]]:
        has_text = any(isinstance(record, dict) and "TXT" in record for record in records)
        for record in records:
            if record == "TIMEOUT":
                yield "", "TIMEOUT"
                continue
            ((kind, value),) = record.items()
            if kind == "SPF" and not has_text:
                yield "TXT", value
            elif value != "NONE":
                yield kind, value

    @staticmethod
    def _text(kind: str, value: Any) -> str:
        if kind == "TXT":
            text = value if isinstance(value, str) else "".join(value)
            return text.encode().decode("latin-1")
        if kind == "MX":
            return f"{value[0]} {value[1].lower() or '.'}"
        return str(value).lower()


def test_the_suite_is_whole() -> None:
    assert (len(SCENARIOS), len(CASES)) == (16, 203)


@pytest.mark.parametrize(("zone", "case"), CASES)
def test_case(zone: dict[str, list[Any]], case: dict[str, Any]) -> None:
    check = evaluate(ip_address(case["host"]), case["mailfrom"] or "", case["helo"])
    found = run(check, SuiteZone(zone).lookup)
    expected = case["result"] if isinstance(case["result"], list) else [case["result"]]
    assert found.verdict in expected, found.reason
    if "explanation" in case:
        assert (found.explanation or "DEFAULT") == case["explanation"]
