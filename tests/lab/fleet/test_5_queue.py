"""What waits is shown with its reasons, and acted on after a plan was shown."""

import ipaddress
import json
import smtplib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.state import Lab
from tests.lab import sink as sinks
from tests.lab.console import Operator
from tests.lab.hosts import Machine, until
from tests.lab.sink import Sink
from tests.lab.store import secret_values


@pytest.fixture
def refusing(lab: Lab, operator: Operator, tmp_path: Path) -> Iterator[Sink]:
    """An API that is down for now, behind a deployed mailserver."""
    network = ipaddress.ip_network(f"{lab.hosts['mx1'].address}/24", strict=False)
    secrets = secret_values()
    authority, psk = secrets["email_api/authority"], secrets["email_api/psk"]
    there = operator.variant(tmp_path, f'settings["mailserver_api_address"] = "{network[1]}"')
    with sinks.running(str(network[1]), authority, psk) as sink:
        sink.status = 503
        there.deploy("--limit", "mx1", deploy="deploys/mailserver.py").ok()
        yield sink


def _entries(operator: Operator, host: str, mark: str) -> list[dict[str, Any]]:
    outcome = operator.run("mailfleet", "queue", operator.inventory, "--host", host, "--json").ok()
    return [one for one in json.loads(outcome.screen) if mark in one["sender"]]


def _act(operator: Operator, host: str, action: str, *options: str, answer: str = "") -> str:
    chosen = [operator.inventory, action, "--host", host, *options]
    return operator.run("mailfleet", "queue", *chosen, answer=answer).screen


def test_postfix_queue(operator: Operator, refusing: Sink, mx1: Machine) -> None:
    mark = uuid.uuid4().hex[:10]
    for number in range(3):
        with smtplib.SMTP(mx1.address, 25, local_hostname="client.internet.test") as smtp:
            sender = f"{mark}-{number}@internet.test"
            smtp.sendmail(sender, ["sales@in.lab.test"], b"Subject: x\r\n\r\nHello\r\n")

    def deferred() -> list[dict[str, str]] | None:
        found = _entries(operator, "mx1", mark)
        return found if all(one["reason"] for one in found) else None

    first, second, third = sorted(until(deferred, "reasons"), key=lambda one: one["sender"])
    shown = operator.run("mailfleet", "queue", operator.inventory, "--host", "mx1").ok().screen
    assert "3 waiting, oldest" in shown
    assert "handoff answered 503" in shown

    declined = _act(operator, "mx1", "delete", "--id", first["id"], answer="n\n")
    assert f"{first['id']}  {first['sender']} -> sales@in.lab.test" in declined
    assert len(_entries(operator, "mx1", mark)) == 3
    _act(operator, "mx1", "delete", "--id", first["id"], answer="y\n")
    assert {one["id"] for one in _entries(operator, "mx1", mark)} == {second["id"], third["id"]}

    _act(operator, "mx1", "hold", "--id", second["id"], "--yes")
    refusing.status = 202
    _act(operator, "mx1", "flush", "--yes")
    until(lambda: refusing.accepted, "the flushed one")
    (held,) = _entries(operator, "mx1", mark)
    assert (held["id"], held["state"]) == (second["id"], "held")
    _act(operator, "mx1", "release", "--yes")
    _act(operator, "mx1", "flush", "--yes")
    until(lambda: len(refusing.accepted) == 2, "the released one")


def test_postal_queue(deployed: Operator, postal1: Machine) -> None:
    """Entries of a mail server's database, put there as Postal puts them."""
    client = "docker exec -i mariadb mariadb --user=root --batch --skip-column-names"
    mark = uuid.uuid4().hex[:10]
    make = f"""
CREATE DATABASE `postal-server-990`;
CREATE TABLE `postal-server-990`.messages (id int, mail_from text, rcpt_to text);
CREATE TABLE `postal-server-990`.deliveries (id int, message_id int, details text);
INSERT INTO `postal-server-990`.messages VALUES
  (1, '{mark}@lab.test', 'it''s@internet.test'), (2, '{mark}@lab.test', 'two@internet.test');
INSERT INTO `postal-server-990`.deliveries VALUES (1, 1, 'older'), (2, 1, 'Mailbox "x" is busy');
INSERT INTO postal.queued_messages (server_id, message_id, attempts, retry_after, created_at,
  updated_at) SELECT 990, id, 2, NOW() + INTERVAL 1 DAY, UTC_TIMESTAMP() - INTERVAL id HOUR,
  UTC_TIMESTAMP() FROM `postal-server-990`.messages;
"""
    postal1.run(f"{client} <<'END'\n{make}\nEND")
    try:
        second, first = _entries(deployed, "postal1", mark)
        assert first["state"] == second["state"] == "deferred"
        assert first["reason"] == 'Mailbox "x" is busy'
        assert first["recipients"] == ["it's@internet.test"]
        _act(deployed, "postal1", "hold", "--recipient", "internet.test", "--yes")
        assert {one["state"] for one in _entries(deployed, "postal1", mark)} == {"held"}
        _act(deployed, "postal1", "delete", "--id", first["id"], "--yes")
        assert [one["id"] for one in _entries(deployed, "postal1", mark)] == [second["id"]]
        # A worker takes what is released, and removes it: it knows no mail server 990.
        _act(deployed, "postal1", "release", "--id", second["id"], "--yes")
        until(lambda: not _entries(deployed, "postal1", mark), "the worker's turn")
    finally:
        drop = "DELETE FROM postal.queued_messages WHERE server_id = 990;"
        postal1.run(f"{client} -e '{drop} DROP DATABASE `postal-server-990`'")
