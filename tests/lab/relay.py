"""The SMTP relay that the API forwards to: it counts numbered messages, and can misbehave."""

import re
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_NUMBER = re.compile(rb"^X-Number: (\S+)\r$", re.MULTILINE)


class Relay:
    """`behave` gets the number of each message and says what becomes of it: `take`; `late`, taken
    once `release` is set; an SMTP answer such as `451 4.3.0 later`; `hang` without an answer;
    `cut` the connection before taking it; `take and cut` after."""

    def __init__(self) -> None:
        self.reset()
        self.lock = threading.Lock()

    def reset(self) -> None:
        """As new."""
        self.behave: Callable[[str], str] = lambda _: "take"
        self.answer_seconds = 0.0
        """What each answer to the end of a message takes."""
        self.offered = 0
        self.taken: Counter[str] = Counter()
        """Number -> copies."""
        self.unconfirmed: Counter[str] = Counter()
        """Number -> copies after whose 250 nothing more came: the client may not know of them."""
        self.release = threading.Event()

    def receive(self, number: str) -> str:
        """What to do with a message, which counts as offered."""
        with self.lock:
            self.offered += 1
            return self.behave(number)

    def take(self, number: str) -> None:
        """A copy is here to stay."""
        with self.lock:
            self.taken[number] += 1
            self.unconfirmed[number] += 1

    def confirm(self, number: str) -> None:
        """Whoever goes on has read the answer."""
        with self.lock:
            self.unconfirmed[number] -= 1


class _Session(socketserver.StreamRequestHandler):
    """RFC 5321, as far as the API goes."""

    disable_nagle_algorithm = True
    server: "_Server"

    def handle(self) -> None:
        relay = self.server.relay
        latest = None
        try:
            self.say("220 relay")
            while line := self.rfile.readline():
                if latest is not None:
                    relay.confirm(latest)
                    latest = None
                verb = line[:4].upper()
                if verb == b"QUIT":
                    self.say("221 2.0.0 bye")
                    return
                if verb != b"DATA":
                    self.say("250 8BITMIME" if verb == b"EHLO" else "250 2.0.0 ok")
                    continue
                self.say("354 go ahead")
                number = self.read_number()
                latest = number if self.answer(relay, number) else None
        except OSError:
            # Whoever was killed leaves so.
            return

    def answer(self, relay: Relay, number: str) -> bool:
        """Whether a copy was taken. Raises ConnectionError to cut the connection."""
        time.sleep(relay.answer_seconds)
        behaviour = relay.receive(number)
        if behaviour in ("late", "hang"):
            relay.release.wait(120)
        if behaviour in ("cut", "hang"):
            raise ConnectionAbortedError
        if behaviour[:1].isdigit():
            self.say(behaviour)
            return False
        relay.take(number)
        if behaviour == "take and cut":
            raise ConnectionAbortedError
        self.say("250 2.0.0 taken")
        return True

    def read_number(self) -> str:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise ConnectionAbortedError
            lines.append(line)
        found = _NUMBER.search(b"".join(lines))
        return found[1].decode() if found else "without a number"

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, where: tuple[str, int], relay: Relay) -> None:
        super().__init__(where, _Session)
        self.relay = relay

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing on the screen of a test run."""


@contextmanager
def running(address: str, port: int) -> Iterator[Relay]:
    """A relay on this address and port."""
    relay = Relay()
    with _Server((address, port), relay) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield relay
        server.shutdown()
