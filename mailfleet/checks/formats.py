"""Results for other tools: JUnit XML for CI, one line for Nagios and what took over its plugins."""

from collections.abc import Sequence
from itertools import groupby

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from mailfleet.checks.result import CheckResult, Status

NAGIOS_UNKNOWN = 3

# Plugin API of the Nagios Plugins: what is worst comes first.
_NAGIOS = {
    Status.FAIL: ("CRITICAL", 2),
    Status.UNKNOWN: ("UNKNOWN", NAGIOS_UNKNOWN),
    Status.WARN: ("WARNING", 1),
    Status.OK: ("OK", 0),
}
_NAMED = 3


def plain(text: str) -> str:
    """What others said, without anything that a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text.expandtabs())


def junit(title: str, found: Sequence[CheckResult]) -> str:
    """One suite for each host, one case for each result. What fails is a failure, what could not
    be asked an error; a warning passes, and its output tells."""
    whole = JUnitXml(title)
    for host, results in groupby(found, key=lambda one: one.host):
        suite = TestSuite(host)
        for one in results:
            suite.add_testcase(_case(one))
        whole.add_testsuite(suite)
    whole.update_statistics()
    text: bytes = whole.tostring()
    return text.decode()


def _case(one: CheckResult) -> TestCase:
    case = TestCase(plain(one.name), classname=f"{one.host}.{one.component}", time=0)
    text = plain(" -> ".join(filter(None, (one.summary, one.remedy))))
    if one.status is Status.FAIL:
        case.result = [Failure(text)]
    elif one.status is Status.UNKNOWN:
        case.result = [Error(text)]
    else:
        case.system_out = f"{one.status.value}: {text}"
    return case


def nagios(name: str, found: Sequence[CheckResult]) -> tuple[str, int]:
    """Status line with performance data, and exit status: 0 ok, 1 warning, 2 critical, 3 unknown.
    Results below the worst status are counted only."""
    worst = next((it for it in _NAGIOS if any(one.status is it for one in found)), Status.UNKNOWN)
    word, code = _NAGIOS[worst]
    concerned = [one for one in found if one.status is worst]
    told = f"{len(concerned)} of {len(found)} {worst.value}"
    if worst is not Status.OK and found:
        told += ": " + "; ".join(
            f"{one.host} {one.component}: {one.name}: {one.summary}" for one in concerned[:_NAMED]
        )
        if len(concerned) > _NAMED:
            told += f"; and {len(concerned) - _NAMED} more"
    line = _status_line(f"{name} {word} - {told}")
    measured = " ".join(f"{_label(one)}={one.value:g}" for one in found if one.value is not None)
    return (f"{line} | {measured}" if measured else line), code


def nagios_unknown(name: str, why: str) -> str:
    """Status line of a plugin that could not ask. `why` may have several lines."""
    first, *others = [line.strip() for line in why.splitlines()]
    return _status_line(f"{name} UNKNOWN - {first} {'; '.join(others)}".rstrip())


def _status_line(text: str) -> str:
    # What follows a bar is performance data.
    return plain(text).replace("|", "/")


def _label(one: CheckResult) -> str:
    text = f"{one.host} {one.component} {one.name}".replace("'", "").replace("=", "")
    return f"'{text}'"
