"""Faults of the API and of everything it uses: no message is lost or sent twice."""

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.conftest import Stack
from tests.relay import ReceivedMessage
from tests.servers import PSK, until
from tests.test_forwarding import MESSAGE

MESSAGES = 100
_SENDERS = 16
"""Messages in progress when a fault occurs."""


@pytest.fixture
def breakable(stack: Stack) -> Iterator[Stack]:
    """A stack that a test may break; waits for its recovery after the test."""
    yield stack
    stack.relay.reset()
    until(lambda: ready(stack), "the stack is ready again")


def ready(stack: Stack) -> bool:
    try:
        return stack.client.get("/health/ready").status_code == 200
    except httpx.HTTPError:
        return False


class Load:
    """Numbered messages, each retried until it is accepted, as Postfix does."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.accepted = 0
        self.refusals: set[str] = set()
        self._lock = threading.Lock()

    def _deliver(self, number: int) -> None:
        message = b"Subject: numbered\r\n\r\nmessage %d\r\n" % number
        headers = {
            "Authorization": f"Bearer {PSK}",
            "X-Queue-Id": f"Q{number}",
            "X-Envelope-Recipient": "team@example.com",
            "X-Envelope-Sender": "author@sender.test",
        }

        def accepted() -> bool:
            try:
                response = self._stack.client.post("/v1/email", content=message, headers=headers)
            except httpx.HTTPError as error:
                self.refusals.add(type(error).__name__)
                return False
            if response.status_code != 202:
                self.refusals.add(response.json()["reason"])
            return response.status_code == 202

        until(accepted, f"message {number} is accepted", 120, 0.1)
        with self._lock:
            self.accepted += 1

    def run(self, meanwhile: Callable[[], None]) -> None:
        """Deliver all messages; call `meanwhile` when a third of them is accepted."""
        with ThreadPoolExecutor(_SENDERS) as pool:
            pending = [pool.submit(self._deliver, number) for number in range(MESSAGES)]
            until(lambda: self.accepted >= MESSAGES // 3, "a third is accepted", 120)
            meanwhile()
            for future in pending:
                future.result()

    def lost(self) -> int:
        return 2 * MESSAGES - len(self._stack.relay.copies())

    def duplicated(self) -> int:
        return sum(count - 1 for count in self._stack.relay.copies().values())


def wait_for_copies(stack: Stack, count: int) -> None:
    """Wait until the relay has been offered this many more copies."""
    goal = stack.relay.offered + count
    until(lambda: stack.relay.offered >= goal, f"{count} more copies")


def test_api_killed_duplicates_at_most_the_messages_in_progress(breakable: Stack) -> None:
    load = Load(breakable)
    idle: list[int] = []

    def kill() -> None:
        breakable.api.stop(signal.SIGKILL)
        idle.append(breakable.relay.offered)
        breakable.api.start()

    load.run(kill)
    assert load.lost() == 0
    # The API was killed before it read the relay's reply: at most one duplicate for each message
    # in progress.
    assert load.duplicated() <= _SENDERS


def test_api_restarted(breakable: Stack) -> None:
    load = Load(breakable)
    load.run(breakable.api.restart)
    assert (load.lost(), load.duplicated()) == (0, 0)


def test_database_killed(breakable: Stack) -> None:
    load = Load(breakable)

    def kill() -> None:
        breakable.mariadb.stop(signal.SIGKILL)
        until(lambda: "database" in load.refusals, "the API reports it")
        breakable.mariadb.start()

    load.run(kill)
    assert (load.lost(), load.duplicated()) == (0, 0)


def test_redis_loses_all_data(breakable: Stack) -> None:
    load = Load(breakable)

    def flush() -> None:
        for _ in range(5):
            breakable.redis.flush()
            wait_for_copies(breakable, 10)

    load.run(flush)
    assert (load.lost(), load.duplicated()) == (0, 0)


def test_redis_killed(breakable: Stack) -> None:
    load = Load(breakable)

    def kill() -> None:
        breakable.redis.stop(signal.SIGKILL)
        until(lambda: "redis" in load.refusals, "the API reports it")
        breakable.redis.start()

    load.run(kill)
    assert (load.lost(), load.duplicated()) == (0, 0)


@pytest.mark.parametrize(
    "behaviour", ["451 4.3.0 later", "554 5.7.1 no", "421 4.3.2 closing", "disconnect"]
)
def test_relay_refuses_messages(breakable: Stack, behaviour: str) -> None:
    load = Load(breakable)

    def refuse() -> None:
        breakable.relay.behave = lambda _: behaviour
        wait_for_copies(breakable, 50)
        breakable.relay.behave = lambda _: "accept"

    load.run(refuse)
    assert load.refusals & {"relay", "relay_refused"}
    assert (load.lost(), load.duplicated()) == (0, 0)


def test_relay_down(breakable: Stack) -> None:
    load = Load(breakable)

    def shut_down() -> None:
        breakable.relay.behave = lambda _: "451 4.3.2 shutting down"
        until(lambda: "relay" in load.refusals, "the API reports it")
        breakable.relay.close()
        breakable.relay.behave = lambda _: "accept"
        breakable.relay.open()

    load.run(shut_down)
    assert (load.lost(), load.duplicated()) == (0, 0)


def test_relay_disconnects_after_accepting_causes_one_duplicate_per_copy(breakable: Stack) -> None:
    """The only duplicates: SMTP gives no way to learn that the relay accepted the message."""
    load = Load(breakable)
    disconnected: list[ReceivedMessage] = []

    def disconnect_ten_times(message: ReceivedMessage) -> str:
        if len(disconnected) >= 10:
            return "accept"
        disconnected.append(message)
        return "accept and disconnect"

    def disconnect() -> None:
        breakable.relay.behave = disconnect_ten_times
        until(lambda: len(disconnected) >= 10, "ten disconnects")

    load.run(disconnect)
    assert load.lost() == 0
    assert load.duplicated() == 10


def test_client_disconnect_does_not_interrupt_the_relay_transaction(breakable: Stack) -> None:
    release = threading.Event()

    def accept_late(_: ReceivedMessage) -> str:
        return "accept" if release.wait(30) else "disconnect"

    breakable.relay.behave = accept_late
    with pytest.raises(httpx.ReadTimeout):
        headers = {"Authorization": f"Bearer {PSK}", "X-Envelope-Recipient": "info@example.com"}
        url = f"{breakable.client.base_url}/v1/email"
        httpx.post(url, content=MESSAGE, headers=headers, timeout=1)
    release.set()
    until(
        lambda: breakable.mariadb.query("SELECT COUNT(*) FROM api.relayed") == "1",
        "the copy is recorded",
    )
    assert breakable.post(MESSAGE, queue_id=None).status_code == 202
    assert len(breakable.relay.received) == 1


@pytest.mark.parametrize("part", ["mariadb", "redis"])
def test_readiness_names_the_unavailable_server(breakable: Stack, part: str) -> None:
    process = getattr(breakable, part)
    process.stop()
    response = breakable.client.get("/health/ready")
    assert response.status_code == 503
    name = {"mariadb": "database"}.get(part, part)
    assert {key for key, value in response.json().items() if value != "ok"} == {name}
    response = breakable.post(MESSAGE)
    assert (response.status_code, response.json()["reason"]) == (503, name)
    assert int(response.headers["Retry-After"]) > 0
    assert breakable.client.get("/health/live").status_code == 200
    process.start()
    until(lambda: ready(breakable), "ready again")


class TestShortTimeouts:
    """Tests that wait for the API's own time limits, here a few seconds."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _short_timeouts(cls, _session_stack: Stack) -> Iterator[None]:
        previous = _session_stack.api.environment
        seconds = {"DATABASE_ANSWER_SECONDS": "3", "SMTP_CLIENT_ANSWER_SECONDS": "5"}
        _session_stack.api.environment = previous | seconds
        _session_stack.api.restart()
        yield
        _session_stack.api.environment = previous
        _session_stack.api.restart()

    def test_relay_hangs(self, breakable: Stack) -> None:
        load = Load(breakable)

        def hang() -> None:
            breakable.relay.behave = lambda _: "hang"
            wait_for_copies(breakable, 10)
            breakable.relay.behave = lambda _: "accept"

        load.run(hang)
        assert (load.lost(), load.duplicated()) == (0, 0)

    def test_database_hangs_between_relay_reply_and_record(self, breakable: Stack) -> None:
        """The journal in Redis prevents a duplicate, even if the API is killed as well."""

        def freeze_and_accept(_: ReceivedMessage) -> str:
            breakable.mariadb.freeze()
            return "accept"

        breakable.relay.behave = freeze_and_accept
        responses: list[httpx.Response] = []
        posting = threading.Thread(target=lambda: responses.append(breakable.post(MESSAGE)))
        posting.start()
        until(lambda: breakable.relay.received, "the relay accepts the message")
        posting.join()
        breakable.relay.behave = lambda _: "accept"
        assert responses[0].json() == {"reason": "database"}
        breakable.api.stop(signal.SIGKILL)
        breakable.mariadb.thaw()
        breakable.api.start()
        assert breakable.post(MESSAGE).status_code == 202
        assert len(breakable.relay.received) == 1
        breakable.redis.flush()
        assert breakable.post(MESSAGE).status_code == 202
        assert len(breakable.relay.received) == 1
