"""Queues as data: what the programs say, and the commands that act on it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailfleet.checks.queue import QueuedMessage, concerned, summary
from mailfleet.cli import main
from mailfleet.components.mailserver import queue as postfix
from mailfleet.components.postal import queue as postal
from mailfleet.components.postal.settings import PostalSettings
from tests.probes import install
from tests.unit.conftest import INVENTORY, Write

# postqueue(1), "JSON OBJECT FORMAT".
POSTFIX = [
    {
        "queue_name": "deferred",
        "queue_id": "4bXq1",
        "arrival_time": 1000,
        "message_size": 300,
        "forced_expire": False,
        "sender": "a@example.org",
        "recipients": [{"address": "sales@in.example.com", "delay_reason": "answered 503"}],
    },
    {
        "queue_name": "hold",
        "queue_id": "4bXq2",
        "arrival_time": 400,
        "message_size": 300,
        "forced_expire": False,
        "sender": "",
        "recipients": [{"address": "x@in.example.com"}, {"address": "y@in.example.com"}],
    },
]


def _postfix() -> list[QueuedMessage]:
    return list(postfix.parse("mx1", "\n".join(map(json.dumps, POSTFIX))))


def test_an_empty_queue_is_empty() -> None:
    assert list(postfix.parse("mx1", "")) == list(postal.parse("postal1", "")) == []
    assert summary([], now=1.0).count == 0


def test_an_answer_with_a_line_separator_is_one_answer() -> None:
    """U+2028, which JSON leaves as it is."""
    odd = json.dumps(POSTFIX[0]).replace("answered 503", "answered\u2028503")
    assert [one.reason for one in postfix.parse("mx1", odd)] == ["answered\u2028503"]


def test_a_summary_tells_age_and_reasons() -> None:
    total = summary(_postfix(), now=1060)
    assert (total.count, total.held, total.oldest_seconds) == (2, 1, 660)
    assert total.reasons == (("answered 503", 1),)


def test_held_mail_is_concerned_by_release_and_delete_only() -> None:
    waiting = _postfix()
    ids = {
        action: [entry.id for entry in concerned(waiting, action)]
        for action in ("flush", "hold", "release", "delete")
    }
    assert ids == {
        "flush": ["4bXq1"],
        "hold": ["4bXq1"],
        "release": ["4bXq2"],
        "delete": ["4bXq1", "4bXq2"],
    }


def test_commands_name_the_entries_of_the_plan() -> None:
    assert postfix.act("delete", _postfix()) == (
        "docker exec -i mailserver sh -c 'postsuper -d -' <<'END'\n4bXq1\n4bXq2\nEND"
    )


def test_postal_entries_that_a_worker_holds_are_left_to_it() -> None:
    settings = PostalSettings(web_hostname="postal.example.com", database_name="main")
    entry = {
        "id": 7,
        "arrived": "1000.5",
        "attempts": 0,
        "locked": 1,
        "held": 0,
        "sender": None,
        "recipient": "a@example.org",
        "reason": None,
    }
    (waiting,) = postal.parse("postal1", json.dumps(entry))
    assert (waiting.state, waiting.arrived, waiting.sender, waiting.reason) == (
        "active",
        1000,
        "",
        "",
    )
    command = postal.act(settings, "delete", [waiting])
    assert "DELETE FROM `main`.queued_messages WHERE id IN (7) AND locked_by IS NULL;" in command


@pytest.fixture
def this_machine(fleet_from: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fleet of this machine, where a stand-in for Docker's client knows of one message."""
    fleet_from(inventory=INVENTORY.replace('"postal1",', '"@local",'))
    row = {"id": 7, "arrived": "1000.5", "attempts": 1, "locked": 0, "held": 0}
    row |= {"sender": "a@example.org", "recipient": "b@example.org", "reason": "later"}
    install(tmp_path, docker=f"cat >/dev/null\necho '{json.dumps(row)}'")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


@pytest.mark.usefixtures("this_machine")
@pytest.mark.parametrize(
    ("options", "told"),
    [(["--yes"], "delete 1 of them"), (["--yes", "--id", "8"], "nothing to delete")],
)
def test_beside_json_nothing_else_is_printed(options: list[str], told: str) -> None:
    arguments = ["queue", "inventories/test.py", "delete", "--json", *options]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert isinstance(json.loads(done.stdout), list)
    assert told in done.stderr


def test_queues_that_nobody_told_are_not_asked(fleet_from: Write) -> None:
    off = INVENTORY.replace('_host = ("postal1", {', '_host = ("postal1", {"ssh_port": 1, ')
    fleet_from(inventory=off.replace("192.0.2.10", "127.0.0.1"))
    done = CliRunner().invoke(main, ["queue", "inventories/test.py", "delete", "--yes"])
    assert done.exit_code == 3
    assert "postal1: cannot log in" in done.stderr
    assert "nothing to delete" not in done.output
