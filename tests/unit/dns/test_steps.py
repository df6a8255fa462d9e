"""Rotations and moves: each step is told when it is due, and not before."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailfleet.dns.finding import Finding, Verdict
from mailfleet.dns.record import Severity
from mailfleet.dns.rotation.dates import Dates, UnreadableDatesError
from mailfleet.dns.rotation.steps import Situation, State, Step, next_steps_of
from mailfleet.dns.settings import DkimKey, Sender
from mailfleet.secrets import secret

DAY_ONE = datetime(2026, 1, 1, tzinfo=UTC)
DOMAIN = "example.com"


def finding(name: str, verdict: Verdict, check: str) -> Finding:
    return Finding(check, name, "TXT", verdict, Severity.REQUIRED, "what is seen", "", "")


def step(
    item: DkimKey | Sender,
    dates: Dates,
    days: float,
    *findings: Finding,
    signing: str = "mail",
) -> Step:
    there = Situation(
        findings,
        lambda domain: {signing},
        lambda key: f"set it to {key.selector}",
        dates,
        DAY_ONE + timedelta(days=days),
        3600,
    )
    keys = [item] if isinstance(item, DkimKey) else []
    senders = [item] if isinstance(item, Sender) else []
    (found,) = next_steps_of(keys, senders, there)
    return found


def key(stage: str, selector: str) -> DkimKey:
    return DkimKey(domain=DOMAIN, selector=selector, stage=stage, key=secret("dkim/x"))


def test_a_rotation_from_beginning_to_end(tmp_path: Path) -> None:
    file = tmp_path / "dns-steps.json"
    name = f"mail2._domainkey.{DOMAIN}"

    def at(stage: str, selector: str, days: float, *findings: Finding, signing: str) -> Step:
        """Each run is one of its own: what it knows of the ones before is in the file."""
        dates = Dates.load(file)
        found = step(key(stage, selector), dates, days, *findings, signing=signing)
        dates.save(file)
        return found

    missing = finding(name, Verdict.FAIL, "dkim")
    assert at("next", "mail2", 0, missing, signing="mail").state is State.FIX
    slow = finding(DOMAIN, Verdict.WARN, "propagation.serial")
    assert at("next", "mail2", 0.1, slow, signing="mail").state is State.FIX
    # Twice the TTL after all servers have it.
    assert at("next", "mail2", 0.2, signing="mail").state is State.WAIT
    due = at("next", "mail2", 0.3, signing="mail")
    assert (due.state, "set it to mail2" in due.text) == (State.DO, True)
    switched = at("next", "mail2", 0.4, signing="mail2")
    assert (switched.state, 'stage="old"' in switched.text) == (State.DO, True)
    assert at("old", "mail", 0.5, signing="mail").state is State.FIX
    assert at("old", "mail", 1, signing="mail2").state is State.WAIT
    assert "2026-01-09" in at("old", "mail", 7, signing="mail2").text
    due = at("old", "mail", 8, signing="mail2")
    assert (due.state, 'stage="revoked"' in due.text) == (State.DO, True)
    assert at("revoked", "mail", 9, signing="mail2").state is State.WAIT
    assert at("revoked", "mail", 40, signing="mail2").text.startswith("done")
    assert list(Dates.load(file).events) == [f"DKIM key mail of {DOMAIN}: revoked"]


def test_migration_between_services() -> None:
    new = Sender(
        domain=DOMAIN,
        include="spf.new.example",
        aliases={"bounces": "new.example"},
        stage="joining",
    )
    old = Sender(domain=DOMAIN, include="spf.old.example", stage="leaving")
    dates = Dates()
    lacking = finding(DOMAIN, Verdict.WARN, "spf.include")
    assert step(new, dates, 0, lacking).state is State.FIX
    assert (
        step(new, dates, 0, finding(f"bounces.{DOMAIN}", Verdict.FAIL, "alias")).state is State.FIX
    )
    # A fault of another name has nothing to do with it.
    assert step(new, dates, 0, finding(f"x.{DOMAIN}", Verdict.FAIL, "alias")).state is State.WAIT
    assert step(new, dates, 1.9).state is State.WAIT
    assert "small part of the mail" in step(new, dates, 2.1).text
    assert step(new, dates, 9.1).text.startswith("send all mail through it")
    assert step(old, dates, 9.2).state is State.WAIT
    assert step(old, dates, 23.1).state is State.WAIT
    assert step(old, dates, 23.3).text.startswith("remove it")


def test_invalid_dates_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "dns-steps.json"
    assert not Dates.load(file).events
    for text in ("", "[]", '{"a": "yesterday"}', '{"a": "2026-01-01T00:00:00"}'):
        file.write_text(text)
        with pytest.raises(UnreadableDatesError, match="version control"):
            Dates.load(file)


def test_full_disk_error_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "dns-steps.json"
    file.write_text("{}")
    (tmp_path / "dns-steps.json.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device: '.*/dns-steps\.json'"):
        Dates().save(file)
    assert [it.name for it in tmp_path.iterdir()] == ["dns-steps.json"]


def test_a_key_that_is_not_revoked_needs_its_secret() -> None:
    with pytest.raises(ValueError, match="needs key="):
        DkimKey(domain=DOMAIN, selector="mail2", stage="next")
