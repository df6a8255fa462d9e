"""Everything around the API fails in turn: no message is lost, none is sent twice."""

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.conftest import World
from tests.servers import PSK, until
from tests.sink import Received
from tests.test_forwarding import MESSAGE

MESSAGES = 100
_SENDERS = 16


@pytest.fixture
def whole(world: World) -> Iterator[World]:
    """Whatever a test has stopped runs again afterwards."""
    yield world
    world.sink.reset()
    until(lambda: ready(world), "everything is up again")


def ready(world: World) -> bool:
    try:
        return world.http.get("/health/ready").status_code == 200
    except httpx.HTTPError:
        return False


class Load:
    """Numbered messages, each offered again until it is accepted, as Postfix does."""

    def __init__(self, world: World) -> None:
        self._world = world
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
                answer = self._world.http.post("/v1/email", content=message, headers=headers)
            except httpx.HTTPError as error:
                self.refusals.add(type(error).__name__)
                return False
            if answer.status_code != 202:
                self.refusals.add(answer.json()["reason"])
            return answer.status_code == 202

        until(accepted, f"message {number} is accepted", 120, 0.1)
        with self._lock:
            self.accepted += 1

    def run(self, meanwhile: Callable[[], None]) -> None:
        """Offer all of them; when a third is through, do something to the world."""
        with ThreadPoolExecutor(_SENDERS) as pool:
            pending = [pool.submit(self._deliver, number) for number in range(MESSAGES)]
            until(lambda: self.accepted >= MESSAGES // 3, "a third is through", 120)
            meanwhile()
            for one in pending:
                one.result()

    def lost(self) -> int:
        return 2 * MESSAGES - len(self._world.sink.copies())

    def duplicated(self) -> int:
        return sum(count - 1 for count in self._world.sink.copies().values())


def through(world: World, count: int) -> None:
    """Wait until the relay has got some more."""
    goal = world.sink.offered + count
    until(lambda: world.sink.offered >= goal, f"{count} more")


def test_api_killed(whole: World) -> None:
    load = Load(whole)
    idle: list[int] = []

    def kill() -> None:
        whole.api.stop(signal.SIGKILL)
        idle.append(whole.sink.offered)
        whole.api.start()

    load.run(kill)
    assert load.lost() == 0
    # What the relay had taken without the API having read its answer: at most one copy for each
    # message under way.
    assert load.duplicated() <= _SENDERS


def test_api_restarted(whole: World) -> None:
    load = Load(whole)
    load.run(whole.api.restart)
    assert (load.lost(), load.duplicated()) == (0, 0)


def test_database_killed(whole: World) -> None:
    load = Load(whole)

    def kill() -> None:
        whole.mariadb.stop(signal.SIGKILL)
        until(lambda: "database" in load.refusals, "the API says so")
        whole.mariadb.start()

    load.run(kill)
    assert (load.lost(), load.duplicated()) == (0, 0)


def test_redis_loses_all_data(whole: World) -> None:
    load = Load(whole)

    def lose() -> None:
        for _ in range(5):
            whole.redis.lose_everything()
            through(whole, 10)

    load.run(lose)
    assert (load.lost(), load.duplicated()) == (0, 0)


def test_redis_killed(whole: World) -> None:
    load = Load(whole)

    def kill() -> None:
        whole.redis.stop(signal.SIGKILL)
        until(lambda: "redis" in load.refusals, "the API says so")
        whole.redis.start()

    load.run(kill)
    assert (load.lost(), load.duplicated()) == (0, 0)


@pytest.mark.parametrize("answer", ["451 4.3.0 later", "554 5.7.1 no", "421 4.3.2 closing", "cut"])
def test_relay_does_not_take_it(whole: World, answer: str) -> None:
    load = Load(whole)

    def refuse() -> None:
        whole.sink.behave = lambda _: answer
        through(whole, 50)
        whole.sink.behave = lambda _: "take"

    load.run(refuse)
    assert load.refusals & {"relay", "relay_refused"}
    assert (load.lost(), load.duplicated()) == (0, 0)


def test_relay_down(whole: World) -> None:
    load = Load(whole)

    def down() -> None:
        whole.sink.behave = lambda _: "451 4.3.2 going down"
        until(lambda: "relay" in load.refusals, "the API says so")
        whole.sink.close()
        whole.sink.behave = lambda _: "take"
        whole.sink.open()

    load.run(down)
    assert (load.lost(), load.duplicated()) == (0, 0)


def test_relay_cuts_the_connection_after_taking_it(whole: World) -> None:
    """The one case of duplicates: nobody can tell that the relay has taken the message."""
    load = Load(whole)
    cut: list[Received] = []

    def first_ten(one: Received) -> str:
        if len(cut) >= 10:
            return "take"
        cut.append(one)
        return "take and cut"

    def cutting() -> None:
        whole.sink.behave = first_ten
        until(lambda: len(cut) >= 10, "ten cuts")

    load.run(cutting)
    assert load.lost() == 0
    assert load.duplicated() == 10


def test_a_client_that_hangs_up_does_not_stop_the_relay_s_answer(whole: World) -> None:
    release = threading.Event()

    def slowly(_: Received) -> str:
        return "take" if release.wait(30) else "cut"

    whole.sink.behave = slowly
    with pytest.raises(httpx.ReadTimeout):
        headers = {"Authorization": f"Bearer {PSK}", "X-Envelope-Recipient": "info@example.com"}
        url = f"{whole.http.base_url}/v1/email"
        httpx.post(url, content=MESSAGE, headers=headers, timeout=1)
    release.set()
    until(lambda: whole.mariadb.query("SELECT COUNT(*) FROM api.relayed") == "1", "it is recorded")
    assert whole.post(MESSAGE, queue_id=None).status_code == 202
    assert len(whole.sink.received) == 1


@pytest.mark.parametrize("part", ["mariadb", "redis"])
def test_readiness_names_what_is_missing(whole: World, part: str) -> None:
    process = getattr(whole, part)
    process.stop()
    answer = whole.http.get("/health/ready")
    assert answer.status_code == 503
    name = {"mariadb": "database"}.get(part, part)
    assert {key for key, value in answer.json().items() if value != "ok"} == {name}
    answer = whole.post(MESSAGE)
    assert (answer.status_code, answer.json()["reason"]) == (503, name)
    assert int(answer.headers["Retry-After"]) > 0
    assert whole.http.get("/health/live").status_code == 200
    process.start()
    until(lambda: ready(whole), "ready again")


class TestShortTimeouts:
    """The API gives up on a server that does not answer after seconds, not minutes."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _short_timeouts(cls, _world: World) -> Iterator[None]:
        previous = _world.api.environment
        seconds = {"DATABASE_ANSWER_SECONDS": "3", "SMTP_CLIENT_ANSWER_SECONDS": "5"}
        _world.api.environment = previous | seconds
        _world.api.restart()
        yield
        _world.api.environment = previous
        _world.api.restart()

    def test_relay_hangs(self, whole: World) -> None:
        load = Load(whole)

        def hang() -> None:
            whole.sink.behave = lambda _: "hang"
            through(whole, 10)
            whole.sink.behave = lambda _: "take"

        load.run(hang)
        assert (load.lost(), load.duplicated()) == (0, 0)

    def test_database_lost_between_the_relay_s_answer_and_the_record(self, whole: World) -> None:
        """The journal in Redis remembers, also when the process is killed on top of it."""

        def take_and_freeze(_: Received) -> str:
            whole.mariadb.freeze()
            return "take"

        whole.sink.behave = take_and_freeze
        answers: list[httpx.Response] = []
        posting = threading.Thread(target=lambda: answers.append(whole.post(MESSAGE)))
        posting.start()
        until(lambda: whole.sink.received, "the relay has it")
        posting.join()
        whole.sink.behave = lambda _: "take"
        assert answers[0].json() == {"reason": "database"}
        whole.api.stop(signal.SIGKILL)
        whole.mariadb.thaw()
        whole.api.start()
        assert whole.post(MESSAGE).status_code == 202
        assert len(whole.sink.received) == 1
        whole.redis.lose_everything()
        assert whole.post(MESSAGE).status_code == 202
        assert len(whole.sink.received) == 1
