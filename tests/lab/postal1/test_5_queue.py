"""What waits in Postal is shown with its reasons, and acted on after a plan was shown."""

import uuid

from tests.lab.console import Operator
from tests.lab.hosts import Machine, until
from tests.lab.queues import act, entries


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
        second, first = entries(deployed, "postal1", mark)
        assert first["state"] == second["state"] == "deferred"
        assert first["reason"] == 'Mailbox "x" is busy'
        assert first["recipients"] == ["it's@internet.test"]
        act(deployed, "postal1", "hold", "--recipient", "internet.test", "--yes")
        assert {one["state"] for one in entries(deployed, "postal1", mark)} == {"held"}
        act(deployed, "postal1", "delete", "--id", first["id"], "--yes")
        assert [one["id"] for one in entries(deployed, "postal1", mark)] == [second["id"]]
        # A worker takes what is released, and removes it: it knows no mail server 990.
        act(deployed, "postal1", "release", "--id", second["id"], "--yes")
        until(lambda: not entries(deployed, "postal1", mark), "the worker's turn")
    finally:
        drop = "DELETE FROM postal.queued_messages WHERE server_id = 990;"
        postal1.run(f"{client} -e '{drop} DROP DATABASE `postal-server-990`'")
