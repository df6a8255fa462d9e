"""`mailfleet dns check`: exit codes, output, recordings; and the same run against a server."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mailfleet.cli import main
from mailfleet.deploying.records import desired_records
from mailfleet.dns.checks.check_run import (
    CheckRun,
    NoServerAnswersError,
    check_recorded,
    check_records,
)
from mailfleet.dns.checks.report import table
from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Record, Severity
from mailfleet.dns.resolve.answer import Answer, Question, Status
from mailfleet.dns.resolve.recording import Recording, save_answers
from mailfleet.dns.resolve.resolver import Limits
from mailfleet.dns.resolve.server import Address
from mailfleet.fleet.fleet import Fleet
from tests.unit.dns.servers import Zone, serving, zone_handler

INVENTORY = "inventories/test.py"


@pytest.fixture
def wanted(postal_fleet: Callable[..., Fleet]) -> list[Record]:
    return desired_records(postal_fleet())


def zone_of(records: list[Record]) -> Zone:
    return {(record.name, record.type): record.lines for record in records}


def live(records: list[Record], zone: Zone) -> CheckRun:
    async def inside() -> CheckRun:
        async with serving(zone_handler(zone)) as address:
            return await check_records(records, [address], Limits(seconds=10, rate=0))

    return asyncio.run(inside())


def recorded(file: Path, records: list[Record], without: tuple[str, str] | None = None) -> None:
    zone = {key: lines for key, lines in zone_of(records).items() if key != without}
    save_answers(live(records, zone).answers, file)


def check(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["dns", "check", INVENTORY, *arguments])


def test_correct_zone_has_no_faults_and_takes_few_queries(wanted: list[Record]) -> None:
    found = live(wanted, zone_of(wanted))
    assert {finding.verdict for finding in found.findings} == {Verdict.OK}
    assert found.queries == len({answer.question for answer in found.answers}) < 30


def test_recording_gives_the_same_findings(wanted: list[Record], tmp_path: Path) -> None:
    found = live(wanted, {})
    save_answers(found.answers, tmp_path / "run.json")
    assert check_recorded(wanted, Recording.load(tmp_path / "run.json")) == list(found.findings)


def test_exit_codes(wanted: list[Record], tmp_path: Path) -> None:
    clean, required, recommended = (str(tmp_path / name) for name in ("a", "b", "c"))
    recorded(Path(clean), wanted)
    recorded(Path(required), wanted, ("rp.postal.example.com", "MX"))
    recorded(Path(recommended), wanted, ("routes.postal.example.com", "MX"))
    assert check("--replay", clean, "--strict").exit_code == 0
    assert check("--replay", required).exit_code == 2
    assert check("--replay", recommended).exit_code == 0
    assert check("--replay", recommended, "--strict").exit_code == 2


def test_output_starts_with_the_most_urgent_finding(wanted: list[Record], tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    recorded(file, wanted, ("rp.postal.example.com", "MX"))
    lines = check("--replay", str(file)).output.splitlines()
    assert lines[:5] == [
        "fail     rp.postal.example.com MX  mx  required",
        "         found    no such record (resolvers may cache this for up to 300 s)",
        "         effect   Bounces are lost, and Postal keeps sending to dead addresses.",
        '         source   Postal manual, "DNS configuration"',
        "         remedy   rp.postal.example.com. IN MX 10 mx.postal.example.com.",
    ]
    assert lines[-1].startswith("1 fail, ")
    found = json.loads(check("--replay", str(file), "--json").output)
    assert [one["verdict"] for one in found].count("fail") == 1


def test_bulk_sender_requirements_are_checked_with_bulk_option(
    wanted: list[Record], tmp_path: Path
) -> None:
    file = tmp_path / "run.json"
    recorded(file, wanted)
    assert "bulk.google" not in check("example.org", "--replay", str(file)).output
    done = check("example.org", "--replay", str(file), "--bulk")
    assert done.exit_code == 2
    assert "example.org TXT  bulk.google  required" in done.output
    assert "550 5.7.515" in done.output


def test_mta_sts_policy_is_printed(postal_fleet: Callable[..., Fleet]) -> None:
    postal_fleet(
        "from mailfleet.dns.settings import MtaSts\n"
        'dns_mta_sts = {"rp.postal.example.com": MtaSts()}\n'
    )
    printed = CliRunner().invoke(main, ["dns", "mta-sts", INVENTORY, "rp.postal.example.com"])
    assert printed.output.splitlines() == [
        "version: STSv1",
        "mode: testing",
        "mx: mx.postal.example.com",
        "max_age: 604800",
    ]
    other = CliRunner().invoke(main, ["dns", "mta-sts", INVENTORY, "example.org"])
    assert (other.exit_code, "not in dns_mta_sts" in other.output) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--replay", "gone.json"],
        ["--replay", "group_data/all.py"],
    ],
)
def test_unreadable_recording_is_one_line_and_exit_1(
    wanted: list[Record], arguments: list[str]
) -> None:
    done = check(*arguments)
    assert done.exit_code == 1
    assert done.output.startswith("mailfleet: ")
    assert done.output.count("\n") == 1


def test_unreachable_server_is_one_line_and_exit_3(wanted: list[Record]) -> None:
    done = check("--server", "127.0.0.1:9", "--timeout", "1")
    assert done.exit_code == 3
    assert done.output.startswith("mailfleet: DNS: 127.0.0.1:9: ")
    assert done.output.count("\n") == 1


def test_unanswered_query_exits_3_unless_a_record_is_wrong(
    wanted: list[Record], tmp_path: Path
) -> None:
    file = tmp_path / "run.json"
    answers = list(live(wanted, zone_of(wanted)).answers)
    bounces = Question("rp.postal.example.com", "MX")
    web = Question("postal.example.com", "A")
    save_answers([one for one in answers if one.question != bounces], file)
    assert check("--replay", str(file)).exit_code == 3
    others = [one for one in answers if one.question not in (bounces, web)]
    save_answers([*others, Answer(web, Status.NXDOMAIN)], file)
    assert check("--replay", str(file)).exit_code == 2


def test_previous_names_still_work_with_a_warning(
    postal_fleet: Callable[..., Fleet], tmp_path: Path
) -> None:
    postal_fleet()
    steps = CliRunner().invoke(main, ["dns", "steps", INVENTORY])
    assert steps.exit_code == 0
    assert "deprecated" in steps.output
    assert "mailfleet dns rotate" in steps.output
    timeout = check("--server", "127.0.0.1:9", "--seconds", "1")
    assert timeout.exit_code == 3
    assert "use --timeout" in timeout.output
    sts = CliRunner().invoke(main, ["dns", "sts", INVENTORY, "example.org"])
    assert "mailfleet dns mta-sts" in sts.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["--server", "ns.example"],
        ["--replay", "x", "--save", "y"],
        ["--save", "gone/answers.json"],
        ["bad_name"],
        # What an IDN looks like in DNS is its xn-- form, and the message says so.
        ["b\u00fccher.example"],
    ],
)
def test_invalid_arguments_exit_1(wanted: list[Record], arguments: list[str]) -> None:
    assert check(*arguments).exit_code == 1
    assert "Error: " in check(*arguments).output


def test_internationalized_domain_is_checked_by_its_xn_form(
    postal_fleet: Callable[..., Fleet],
) -> None:
    idn = "xn--bcher-kva.example"
    records = desired_records(postal_fleet(), [idn])
    zone = zone_of(records)
    found = live(records, zone)
    assert {one.verdict for one in found.findings} == {Verdict.OK, Verdict.INFO}
    del zone[f"psrp.{idn}", "CNAME"]
    bad = [one.name for one in live(records, zone).findings if one.verdict is Verdict.FAIL]
    assert bad == [f"psrp.{idn}"]


def test_error_names_the_server_that_does_not_answer(wanted: list[Record]) -> None:
    with pytest.raises(NoServerAnswersError, match=r"127\.0\.0\.1:9"):
        asyncio.run(check_records(wanted, [Address("127.0.0.1", 9)], Limits(seconds=1)))


def test_an_answer_that_is_not_in_the_recording_is_unknown(wanted: list[Record]) -> None:
    question = Question("postal.example.com", "A")
    recording = Recording([Answer(question, Status.OK, ("192.0.2.10",))])
    verdicts = [finding.verdict for finding in check_recorded(wanted, recording)]
    assert verdicts.count(Verdict.OK) == 1
    assert set(verdicts) == {Verdict.OK, Verdict.UNKNOWN}


def test_control_characters_from_dns_are_escaped() -> None:
    finding = Finding(
        "spf", "a.example", "TXT", Verdict.FAIL, Severity.REQUIRED, "\x1b[2J\r\n", "w", "s", "e"
    )
    text = "\n".join(map(click.unstyle, table([finding])))
    assert "found    \\027[2J\\013\\010" in text
