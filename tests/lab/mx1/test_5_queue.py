"""What waits in Postfix is shown with its reasons, and acted on after a plan was shown."""

import ipaddress
import smtplib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.state import Lab
from tests.lab import sink as sinks
from tests.lab.console import Operator
from tests.lab.hosts import Machine, until
from tests.lab.queues import act, entries
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


def test_postfix_queue(operator: Operator, refusing: Sink, mx1: Machine) -> None:
    mark = uuid.uuid4().hex[:10]
    for number in range(3):
        with smtplib.SMTP(mx1.address, 25, local_hostname="client.internet.test") as smtp:
            sender = f"{mark}-{number}@internet.test"
            smtp.sendmail(sender, ["sales@in.lab.test"], b"Subject: x\r\n\r\nHello\r\n")

    def deferred() -> list[dict[str, str]] | None:
        found = entries(operator, "mx1", mark)
        return found if all(one["reason"] for one in found) else None

    first, second, third = sorted(until(deferred, "reasons"), key=lambda one: one["sender"])
    shown = operator.run("mailfleet", "queue", operator.inventory, "--host", "mx1").ok().screen
    assert "3 queued, oldest" in shown
    assert "handoff answered 503" in shown

    declined = act(operator, "mx1", "delete", "--id", first["id"], answer="n\n")
    assert f"{first['id']}  {first['sender']} -> sales@in.lab.test" in declined
    assert len(entries(operator, "mx1", mark)) == 3
    act(operator, "mx1", "delete", "--id", first["id"], answer="y\n")
    assert {one["id"] for one in entries(operator, "mx1", mark)} == {second["id"], third["id"]}

    act(operator, "mx1", "hold", "--id", second["id"], "--yes")
    refusing.status = 202
    act(operator, "mx1", "flush", "--yes")
    until(lambda: refusing.accepted, "the flushed one")
    (held,) = entries(operator, "mx1", mark)
    assert (held["id"], held["state"]) == (second["id"], "held")
    act(operator, "mx1", "release", "--yes")
    act(operator, "mx1", "flush", "--yes")
    until(lambda: len(refusing.accepted) == 2, "the released one")
