"""One MariaDB, Redis, relay and API for all tests; each test begins with empty ones."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.servers import ADMIN_TOKEN, PSK, RSA_KEY, Api, MariaDB, Redis
from tests.sink import Sink

ALIASES = [
    {"address": "info@example.com", "mailboxes": ["a@mailbox.test"]},
    {"address": "team@example.com", "mailboxes": ["a@mailbox.test", "b@mailbox.test"]},
    {"address": "off@example.com", "mailboxes": ["a@mailbox.test"], "enabled": False},
    {"address": "@catch.example.com", "mailboxes": ["c@mailbox.test"]},
    {"address": "grün@example.com", "mailboxes": ["grün@mailbox.test"]},
]


class World:
    """Everything around a message, and the ways in."""

    def __init__(self, directory: Path) -> None:
        self.sink = Sink()
        # Commits survive a killed server; only a crash of the machine would lose the last second.
        self.mariadb = MariaDB(directory, "--innodb-flush-log-at-trx-commit=2")
        self.redis = Redis(directory)
        self.api = Api(directory, self.mariadb, self.redis, self.sink.port)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.api.port}", timeout=60)

    def admin(self, aliases: list[dict[str, object]]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        return self.http.put("/v1/admin/aliases", json={"aliases": aliases}, headers=headers)

    def post(
        self,
        message: bytes,
        recipient: str | None = "info@example.com",
        sender: str | None = "author@sender.test",
        queue_id: str | None = "4cTQ2q0xyz",
        psk: str = PSK,
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {psk}", "Content-Type": "message/rfc822"}
        named = {
            "X-Envelope-Recipient": recipient,
            "X-Envelope-Sender": sender,
            "X-Queue-Id": queue_id,
        }
        headers |= {name: value for name, value in named.items() if value is not None}
        return self.http.post("/v1/email", content=message, headers=headers)


@pytest.fixture(scope="session")
def _world() -> Iterator[World]:
    with ExitStack() as stack:
        # Short: a socket's path has at most 107 bytes.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="email-api-")))
        world = World(directory)
        world.api.seal_with(RSA_KEY)
        for process in (world.mariadb, world.redis, world.api):
            stack.callback(process.stop)
        world.mariadb.initialise()
        world.redis.start()
        world.api.start()
        yield world


@pytest.fixture
def world(_world: World) -> Iterator[World]:
    _world.sink.reset()
    _world.redis.lose_everything()
    _world.mariadb.query("TRUNCATE api.relayed")
    assert _world.admin(ALIASES).status_code == 200  # type: ignore[arg-type]
    log_before = len(_world.api.log.read_text())
    yield _world
    # Shown when the test has failed.
    print(_world.api.log.read_text()[log_before:][-8000:])
