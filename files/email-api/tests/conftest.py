"""One API with MariaDB, Redis and a relay for all tests. Each test starts with them empty."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.relay import FakeRelay
from tests.servers import ADMIN_TOKEN, PSK, RSA_KEY, Api, MariaDB, Redis

ALIASES = [
    {"address": "info@example.com", "mailboxes": ["a@mailbox.test"]},
    {"address": "team@example.com", "mailboxes": ["a@mailbox.test", "b@mailbox.test"]},
    {"address": "off@example.com", "mailboxes": ["a@mailbox.test"], "enabled": False},
    {"address": "@catch.example.com", "mailboxes": ["c@mailbox.test"]},
    {"address": "grün@example.com", "mailboxes": ["grün@mailbox.test"]},
]


class Stack:
    """The API with everything it needs, and requests to it."""

    def __init__(self, directory: Path) -> None:
        self.relay = FakeRelay()
        # No fsync per commit: commits survive a killed server, and no test crashes the machine.
        self.mariadb = MariaDB(directory, "--innodb-flush-log-at-trx-commit=2")
        self.redis = Redis(directory)
        self.api = Api(directory, self.mariadb, self.redis, self.relay.port)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.api.port}", timeout=60)

    def put_aliases(self, aliases: list[dict[str, object]]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        return self.client.put("/v1/admin/aliases", json={"aliases": aliases}, headers=headers)

    def post(
        self,
        message: bytes,
        recipient: str | None = "info@example.com",
        sender: str | None = "author@sender.test",
        queue_id: str | None = "4cTQ2q0xyz",
        psk: str = PSK,
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {psk}", "Content-Type": "message/rfc822"}
        optional = {
            "X-Envelope-Recipient": recipient,
            "X-Envelope-Sender": sender,
            "X-Queue-Id": queue_id,
        }
        headers |= {name: value for name, value in optional.items() if value is not None}
        return self.client.post("/v1/email", content=message, headers=headers)


@pytest.fixture(scope="session")
def _session_stack() -> Iterator[Stack]:
    with ExitStack() as cleanup:
        # A short path: the path of a Unix socket is limited to 107 bytes.
        directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="email-api-")))
        stack = Stack(directory)
        stack.api.enable_arc(RSA_KEY)
        for process in (stack.mariadb, stack.redis, stack.api):
            cleanup.callback(process.stop)
        stack.mariadb.create()
        stack.redis.start()
        stack.api.start()
        yield stack


@pytest.fixture
def stack(_session_stack: Stack) -> Iterator[Stack]:
    _session_stack.relay.reset()
    _session_stack.redis.flush()
    _session_stack.mariadb.query("TRUNCATE api.relayed")
    assert _session_stack.put_aliases(ALIASES).status_code == 200  # type: ignore[arg-type]
    log_before = len(_session_stack.api.log.read_text())
    yield _session_stack
    # pytest shows this if the test fails.
    print(_session_stack.api.log.read_text()[log_before:][-8000:])
