"""The page about the fleet, from what hosts answered."""

import json
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mailfleet.checks.probe import Answers
from mailfleet.checks.queue import Summary
from mailfleet.checks.result import CheckResult, Status
from mailfleet.checks.sections import Section, Sections
from mailfleet.converge.observe import Desired
from mailfleet.dns.finding import Finding as DnsFinding
from mailfleet.dns.finding import Verdict
from mailfleet.dns.record import Severity
from mailfleet.dns.resolve.server import Address
from mailfleet.drift.finding import Finding, HostReport, Kind, Report
from mailfleet.report.fleet import FleetStatus, ask
from mailfleet.report.host import questions, status_of
from mailfleet.report.newer import Image, newest
from mailfleet.transport import HostQuery, Unreachable
from tests.unit.conftest import Write

POSTAL = (
    '{"id": 7, "arrived": 100, "attempts": 3, "locked": 0, "held": 0, "sender": "a@example.com", '
    '"recipient": "b@example.net", "reason": "450 <busy>"}\n'
)
ANSWERS = {
    "system": Section(0, "system|Debian GNU/Linux 13\nkernel|6.12\nDocker|26.1.5\n"),
    "containers": Section(0, "postal|web|registry.test:5000/postal:3.3.7|Up 2 hours (healthy)\n"),
    "data": Section(0, "mariadb|mariadb|volume|mariadb_data|/var/lib/mysql\n\n"),
    "steps": Section(
        0,
        "2026-01-01T10:00:00Z root from 192.0.2.1: files of caddy\n"
        "2026-01-02T10:00:00Z eve from 192.0.2.1: services of caddy\n",
    ),
    "Postal": Section(0, POSTAL),
    "Postfix": Section(1, "Error response from daemon: No such container: mailserver\n"),
}
WELL = CheckResult("postal1", "base", "disk", Status.OK, "45% used", "", 45.0, "warns from 80%")
CHAIN = CheckResult(
    "postal1", "caddy", "chain of a.test from here", Status.OK, "valid until Mar 1", ""
)
BAD = CheckResult(
    "postal1", "postal", "worker 9090", Status.FAIL, "<script>alert(1)</script>", "look"
)
HELD = CheckResult("postal1", "postal", "held messages", Status.WARN, "3 held", "release them")
DRIFT = Finding(
    "postal1",
    "base",
    Kind.FILE,
    "/etc/a",
    "as described",
    "other content",
    "deploy again",
    ("@@ -1 +1 @@", "-password: ********", "+password: ********"),
)
DNS = DnsFinding(
    "spf.covers",
    "example.com",
    "TXT",
    Verdict.FAIL,
    Severity.REQUIRED,
    "none",
    "v=spf1 -all",
    "RFC 7208",
    "mail is refused",
    ('example.com. IN TXT "v=spf1 -all"',),
)


@pytest.fixture
def well(fleet_from: Write) -> FleetStatus:
    host = fleet_from().hosts["postal1"]
    answers = {name: ANSWERS[name] for name in ("system", "containers", "data", "steps")}
    clean = Report("i", "now", (HostReport("postal1"),))
    hosts = (status_of(host, answers),)
    return FleetStatus(
        "inventories/a.py", "2026-01-03T00:00:00+00:00", hosts, (WELL, CHAIN), clean, ()
    )


@pytest.fixture
def unwell(well: FleetStatus, fleet_from: Write) -> FleetStatus:
    hosts = (
        status_of(fleet_from().hosts["postal1"], ANSWERS),
        replace(well.hosts[0], name="off", error="cannot log in: see that the host is up"),
    )
    report = Report("i", "now", (HostReport("postal1", (DRIFT,)),))
    return replace(well, hosts=hosts, health=(WELL, HELD, BAD, CHAIN), drift=report, dns=(DNS,))


class _Text(HTMLParser):
    """Text and attributes of a page; every element that is opened must be closed."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


def test_a_well_fleet_is_called_so(well: FleetStatus) -> None:
    text = _Text(well.page()).text
    assert well.well
    assert "All is well." in text
    assert "Needs attention." not in text


@pytest.mark.parametrize(
    "change",
    [
        {"health": (WELL, HELD)},
        {"drift": Report("i", "now", (HostReport("postal1", error="cannot log in"),))},
        {"dns": (DNS,)},
        {"dns_error": "DNS: 192.0.2.1: timeout"},
    ],
)
def test_anything_that_is_not_well_shows(well: FleetStatus, change: dict[str, object]) -> None:
    status = replace(well, **change)  # type: ignore[arg-type]
    assert "Needs attention." in _Text(status.page()).text


def test_the_page_tells_everything_with_what_to_do(unwell: FleetStatus) -> None:
    page = _Text(unwell.page())
    for words in (
        "cannot log in: see that the host is up",
        "Debian GNU/Linux 13",
        "3.3.7",
        "2026-01-02T10:00:00Z, eve from 192.0.2.1",
        "<script>alert(1)</script>",
        "450 <busy>",
        "No such container: mailserver",
        "release them",
        "deploy again",
        'example.com. IN TXT "v=spf1 -all"',
        "valid until Mar 1",
        "2 of 4",
        "1 fail, 0 unknown, 1 warn",
        "volume mariadb_data",
        "3 lines of diff",
        "-password: ********",
    ):
        assert words in page.text, words
    assert [one.name for one in unwell.unwell] == ["worker 9090", "held messages"]
    assert unwell.components("postal1")["postal"] is Status.FAIL


def test_the_page_loads_nothing_and_runs_nothing(unwell: FleetStatus) -> None:
    text = unwell.page()
    assert "<script" not in text
    assert not re.search(r"url\(|@import|<link|<img|<iframe", text)
    targets = {value for name, value in _Text(text).attributes if name in ("href", "src")}
    assert targets == {"#health", "#drift", "#dns", "#queues"}
    ids = {value for name, value in _Text(text).attributes if name == "id"}
    assert {target[1:] for target in targets} <= ids


def test_a_queue_is_one_line(unwell: FleetStatus) -> None:
    queues = {queue.program: queue for queue in unwell.hosts[0].queues}
    assert isinstance(queues["Postal"].summary, Summary)
    assert queues["Postal"].summary.reasons == (("450 <busy>", 1),)
    assert queues["Postfix"].summary is None
    assert unwell.waiting == 1


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("caddy:2.10.2", Image("registry-1.docker.io", "library/caddy", "2.10.2")),
        ("valkey/valkey:8.1", Image("registry-1.docker.io", "valkey/valkey", "8.1")),
        (
            "ghcr.io/postalserver/postal:3.3.7@sha256:0a",
            Image("ghcr.io", "postalserver/postal", "3.3.7"),
        ),
        ("registry.test:5000/mariadb:11.8.3", Image("registry.test:5000", "mariadb", "11.8.3")),
        ("registry.test:5000/mariadb", None),
        ("sha256:0a", Image("registry-1.docker.io", "library/sha256", "0a")),
    ],
)
def test_images_are_named_as_docker_names_them(text: str, image: Image | None) -> None:
    assert Image.parse(text) == image


@pytest.mark.parametrize(
    ("tag", "tags", "wanted"),
    [
        ("3.3.7", ["3.3.6", "3.3.7", "3.3.10", "3.4", "latest", "3.3.11-rc1"], "3.3.10"),
        ("3.3.7", ["3.3.6"], None),
        ("11.8.3-noble", ["11.8.4", "11.8.5-noble"], "11.8.5-noble"),
        ("2", ["3"], None),
        ("latest", ["3.3.7"], None),
    ],
)
def test_a_newer_version_is_one_of_the_same_shape(
    tag: str, tags: list[str], wanted: str | None
) -> None:
    assert newest(tag, tags) == wanted


def test_a_newer_version_shows_on_the_page(well: FleetStatus) -> None:
    image = well.hosts[0].containers[0].image
    assert "3.3.9 is available" in _Text(replace(well, newer={image: "3.3.9"}).page()).text


def test_only_the_queues_that_a_host_has_are_asked(fleet_from: Write) -> None:
    fleet = fleet_from()
    assert "Postal" in questions(fleet, fleet.hosts["postal1"])
    assert "Postfix" not in questions(fleet, fleet.hosts["postal1"])


def _asked(commands: Mapping[str, str]) -> dict[str, Section]:
    """By a real shell."""
    shell = Sections.command(Sections(), commands)
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    return Sections.process(Sections(), done.stdout.splitlines())


def test_a_host_that_hangs_is_waited_for_until_it_has_told_so(
    fleet_from: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked one thing after the other, and ends each itself by timeout(1)."""
    shells = [Sections().command({"it": ""}), Desired(()).script, Answers().command({"it": ""})]
    limits = [int(it) for shell in shells for it in re.findall(r"timeout (\d+) sh ", shell)]
    assert len(limits) == len(shells)
    waits = []

    def answers(asking: HostQuery[object]) -> dict[str, Unreachable]:
        waits.append(asking.answer_seconds)
        return {name: Unreachable("off", "see that it is up") for name in asking.hosts}

    monkeypatch.setattr(HostQuery, "run", answers)
    fleet_from(inventory='server = [("one", {"host_fqdn": "one.example.com"})]')
    assert ask("inventories/test.py", [Address.parse("192.0.2.1")]).hosts[0].error.startswith("off")
    assert waits[0] > sum(limits)


def test_answers_come_back_whole_whatever_they_hold() -> None:
    odd = "a\tb 'c' \"d\"\n\\n é\n"
    commands = {"odd": f"printf '%s' {shlex.quote(odd)}; exit 3", "none": "true"}
    assert _asked(commands) == {"odd": Section(3, odd), "none": Section(0, "")}


def test_a_long_queue_is_told_whole(tmp_path: Path, fleet_from: Write) -> None:
    entry = json.loads(POSTAL) | {"reason": "451 später " + "x" * 300}
    entries = [{**entry, "arrived": 1000 - number} for number in range(1500)]
    file = tmp_path / "queue"
    file.write_text("".join(f"{json.dumps(it, ensure_ascii=False)}\n" for it in entries))
    answers = _asked({"Postal": f"cat {file}"})
    (queue,) = status_of(fleet_from().hosts["postal1"], answers).queues
    assert queue.summary
    assert queue.summary.count == 1500
    assert queue.summary.reasons == ((entry["reason"], 1500),)


@pytest.mark.parametrize("program", ["Postfix", "Postal"])
@pytest.mark.parametrize("said", ["echo WARNING: no swap >&2", "echo '{}'", "echo 7"])
def test_a_queue_that_cannot_be_read_is_told(program: str, said: str, fleet_from: Write) -> None:
    (queue,) = status_of(fleet_from().hosts["postal1"], _asked({program: said})).queues
    assert queue.summary is None
    assert queue.error.startswith("an answer that nobody expected: ")
