"""Mailserver and API of mx1 with a relay that counts, a load of numbered messages, and everything
that can go wrong meanwhile. Used by tests and by bench/pipeline_faults.py."""

import ipaddress
import smtplib
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import relay as relays
from tests.lab.console import Operator
from tests.lab.hosts import Machine, until
from tests.lab.relay import Relay

RELAY_PORT = 2525
PROCESSES = 10
"""Handoffs at a time (mailserver_handoff_processes): so many may be under way."""

_CLIENTS = 4
_SEND_SECONDS = 120
_SETTINGS = """
settings["email_api_relay_host"] = "{address}"
settings["email_api_relay_port"] = {port}
settings["email_api_relay_tls"] = "none"
settings["mailserver_handoff"] = "{handoff}"
settings["mailserver_handoff_processes"] = {processes}
settings["mailserver_handoff_seconds"] = 10
"""
_WRONG_KEY = """
from mailfleet.secrets import generate, secret
settings["email_api_psk"] = secret("email_api/wrong_psk_of_a_test", generate.random_hex(32))
"""


@dataclass
class Pipeline:
    """A deployed pipeline, as those see it who send, receive and operate."""

    operator: Operator
    directory: Path
    handoff: str
    mx1: Machine
    relay: Relay
    outage_seconds: float
    mark: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    refusals: int = 0
    """How often a client was not served, and came again."""

    def deploy(self, component: str, changes: str = "") -> None:
        """The mailserver brings the API of its host along."""
        operator = self.operator.variant(self.directory, changes) if changes else self.operator
        if changes:
            operator.run("mailfleet", "secrets", "init", operator.inventory).ok()
        operator.deploy("--limit", "mx1", deploy=f"deploys/{component}.py").ok()

    def copies(self) -> dict[str, int]:
        """Number -> copies at the relay, of the present load."""
        found = self.relay.taken
        return {number: found[number] for number in list(found) if number.startswith(self.mark)}

    def deferred(self) -> int:
        """Messages that were tried, and wait; none while there is no mailserver."""
        found = self.mx1.ask("docker exec mailserver postqueue -j").lines
        return sum("delay_reason" in line for line in found)

    def send(self, numbers: range) -> None:
        """Give messages to port 25; whoever is not served comes again, as mail servers do."""

        ends = time.monotonic() + _SEND_SECONDS

        def some(mine: range) -> None:
            waiting = list(reversed(mine))
            while waiting:
                try:
                    with smtplib.SMTP(self.mx1.address, 25, "client.internet.test", 30) as smtp:
                        while waiting:
                            smtp.sendmail(
                                "author@internet.test",
                                ["sales@in.lab.test"],
                                self.message(waiting[-1]),
                            )
                            waiting.pop()
                except (smtplib.SMTPException, OSError):
                    self.refusals += 1
                    if time.monotonic() > ends:
                        raise
                    time.sleep(0.2)

        with ThreadPoolExecutor(_CLIENTS) as clients:
            shares = [numbers[start::_CLIENTS] for start in range(_CLIENTS)]
            for done in [clients.submit(some, share) for share in shares]:
                done.result()

    def message(self, number: int) -> bytes:
        """About 4 kB."""
        head = f"Subject: numbered\r\nX-Number: {self.mark}-{number}\r\n\r\n"
        return head.encode() + (b"x" * 78 + b"\r\n") * 50

    def drain(self) -> None:
        """Until the queue is empty; what waits is tried again at once."""
        flush = "docker exec mailserver sh -c 'postqueue -f && postqueue -j'"
        until(lambda: not self.mx1.run(flush), "an empty queue", 120)


@dataclass(frozen=True)
class Count:
    """What came of a load."""

    sent: int
    received: int
    duplicated: int
    waited: int
    """Messages that were deferred when the fault was put right."""
    seconds: float

    @property
    def lost(self) -> int:
        return self.sent - self.received


Fault = Callable[[Pipeline], Iterator[None]]
"""Breaks something and yields; proves that it is broken and yields; puts it right."""


def under(fault: Fault, pipeline: Pipeline, messages: int) -> Count:
    """Half of the messages are on their way when something breaks; the other half comes while it
    is broken. All are counted at the relay."""
    started = time.monotonic()
    pipeline.relay.reset()
    pipeline.mark, pipeline.refusals = uuid.uuid4().hex[:8], 0
    half = messages // 2
    pipeline.send(range(half))
    until(lambda: len(pipeline.copies()) >= half // 5, "the first ones at the relay")
    with ThreadPoolExecutor(1) as pool:
        steps = fault(pipeline)
        next(steps)
        rest = pool.submit(pipeline.send, range(half, messages))
        next(steps)
        waited = pipeline.deferred()
        next(steps, None)
        rest.result()
    pipeline.drain()
    copies = pipeline.copies()
    duplicated = sum(copies.values()) - len(copies)
    took = round(time.monotonic() - started, 1)
    return Count(messages, len(copies), duplicated, waited, took)


def counted(pipeline: Pipeline, name: str, messages: int) -> Count:
    """What one of FAULTS does to a load."""
    with small_disk(pipeline) if name == "disk full" else nullcontext():
        return under(FAULTS[name], pipeline, messages)


def _until_deferred(pipeline: Pipeline, count: int = PROCESSES) -> None:
    until(lambda: pipeline.deferred() >= count, f"{count} deferred messages")


def _kill_api(pipeline: Pipeline) -> None:
    """And wait until Docker has started it again."""
    process = "docker inspect -f '{{.State.Pid}}' email-api"
    before = pipeline.mx1.run(f"process=$({process}) && kill -9 $process && echo $process")
    until(lambda: pipeline.mx1.run(process) not in ("0", before), "the API's new process")


def api_killed(pipeline: Pipeline) -> Iterator[None]:
    """kill -9, and when Docker has started it again, a restart as a deploy does it."""
    _kill_api(pipeline)
    yield
    goal = pipeline.relay.offered + PROCESSES

    def some_more() -> bool:
        pipeline.mx1.run("docker exec mailserver postqueue -f")
        return pipeline.relay.offered >= goal

    until(some_more, "messages that go on")
    pipeline.mx1.run("docker restart email-api")
    yield


def api_unreachable(pipeline: Pipeline) -> Iterator[None]:
    """Packets to it are dropped for a while."""
    inside = "nsenter -n -t $(docker inspect -f '{{.State.Pid}}' email-api) iptables"
    rule = "INPUT -p tcp -m multiport --dports 443,2400 -j DROP"
    pipeline.mx1.run(f"{inside} -I {rule}")
    ends = time.monotonic() + pipeline.outage_seconds
    yield
    _until_deferred(pipeline, 1)
    until(lambda: time.monotonic() > ends, "the end", pipeline.outage_seconds + 1)
    yield
    pipeline.mx1.run(f"{inside} -D {rule}")


def wrong_key(pipeline: Pipeline) -> Iterator[None]:
    """The API gets another key than the mailserver has."""
    pipeline.deploy("email_api", changes=_WRONG_KEY)
    yield
    _until_deferred(pipeline)
    yield
    pipeline.deploy("email_api")


def database_down(pipeline: Pipeline) -> Iterator[None]:
    """Killed, and not there for a while."""
    pipeline.mx1.run("docker kill email-api-database")
    yield
    _until_deferred(pipeline)
    yield
    pipeline.mx1.run("docker start email-api-database")


def journal_lost(pipeline: Pipeline) -> Iterator[None]:
    """Valkey is removed, and comes back with nothing."""
    compose = "docker compose --project-directory /opt/email-api"
    pipeline.mx1.run(f"{compose} rm --force --stop valkey && docker volume rm email-api_valkey")
    yield
    _until_deferred(pipeline)
    yield
    pipeline.mx1.run(f"{compose} up --detach --wait valkey")


def _relay_answers(answer: str) -> Fault:
    def fault(pipeline: Pipeline) -> Iterator[None]:
        pipeline.relay.behave = lambda _: answer
        yield
        _until_deferred(pipeline)
        yield
        pipeline.relay.behave = lambda _: "take"

    return fault


def relay_hangs(pipeline: Pipeline) -> Iterator[None]:
    """Longer than the handoff waits. Some messages it takes in the end, others never."""
    hung: dict[str, str] = {}

    def behave(number: str) -> str:
        if number not in hung and len(hung) < PROCESSES:
            hung[number] = "late" if len(hung) % 2 else "hang"
            return hung[number]
        return "take"

    pipeline.relay.behave = behave
    yield
    _until_deferred(pipeline, PROCESSES // 2)
    yield
    pipeline.relay.release.set()


def relay_cuts_after_taking(pipeline: Pipeline) -> Iterator[None]:
    """The one case in which SMTP has no way to tell: ten messages are taken, and nobody knows."""
    cut: set[str] = set()

    def behave(number: str) -> str:
        if number in cut or len(cut) >= PROCESSES:
            return "take"
        cut.add(number)
        return "take and cut"

    pipeline.relay.behave = behave
    yield
    until(lambda: len(cut) >= PROCESSES, "ten cuts")
    yield


def mailserver_killed(pipeline: Pipeline) -> Iterator[None]:
    """Killed and removed, with mail in its queue; a deploy makes a new one."""
    before = pipeline.refusals
    pipeline.mx1.run("docker rm --force mailserver")
    yield
    until(lambda: pipeline.refusals > before, "a client that is not served")
    yield
    pipeline.deploy("mailserver")


# Postfix wants one and a half times its largest message, 25 MB, to be free.
_SMALL_DISK = """
set -e
state=$(docker volume inspect -f '{{.Mountpoint}}' mailserver_mail-state)
docker stop mailserver
cp -a $state /root/mail-state
mount -t tmpfs -o size=80m,mode=755 tmpfs $state
cp -a /root/mail-state/. $state
docker start mailserver
"""
_OWN_DISK = """
set -e
state=$(docker volume inspect -f '{{.Mountpoint}}' mailserver_mail-state)
docker stop mailserver
rm -rf $state/filler /root/mail-state
cp -a $state /root/mail-state
umount $state
rm -rf $state/* && cp -a /root/mail-state/. $state
rm -rf /root/mail-state
docker start mailserver
"""
_FILLER = "$(docker volume inspect -f '{{.Mountpoint}}' mailserver_mail-state)/filler"


def disk_full(pipeline: Pipeline) -> Iterator[None]:
    """Not a byte is left for the queue."""
    before = pipeline.refusals
    pipeline.mx1.run(f"cat /dev/zero >{_FILLER} 2>/dev/null || true")
    yield
    until(lambda: pipeline.refusals > before + _CLIENTS, "clients that are not served")
    yield
    pipeline.mx1.run(f"rm {_FILLER}")


@contextmanager
def small_disk(pipeline: Pipeline) -> Iterator[None]:
    """The queue on a file system of its own that can be filled."""
    pipeline.mx1.run(_SMALL_DISK)
    try:
        yield
    finally:
        pipeline.mx1.run(_OWN_DISK)


FAULTS: dict[str, Fault] = {
    "API killed": api_killed,
    "API unreachable": api_unreachable,
    "wrong key": wrong_key,
    "database down": database_down,
    "journal lost": journal_lost,
    "relay answers 451": _relay_answers("451 4.3.0 later"),
    "relay answers 554": _relay_answers("554 5.7.1 no"),
    "relay hangs": relay_hangs,
    "relay cuts before taking": _relay_answers("cut"),
    "relay cuts after taking": relay_cuts_after_taking,
    "mailserver killed": mailserver_killed,
    "disk full": disk_full,
}


@contextmanager
def running(
    operator: Operator, mx1: Machine, handoff: str, directory: Path, outage_seconds: float
) -> Iterator[Pipeline]:
    """The pipeline with a relay at this machine's address in the lab's network."""
    network = ipaddress.ip_network(f"{mx1.address}/24", strict=False)
    address = str(network[1])
    changes = _SETTINGS.format(
        address=address, port=RELAY_PORT, handoff=handoff, processes=PROCESSES
    )
    with relays.running(address, RELAY_PORT) as relay:
        changed = operator.variant(directory / "deployed", changes)
        pipeline = Pipeline(changed, directory / "changed", handoff, mx1, relay, outage_seconds)
        pipeline.deploy("mailserver")
        yield pipeline
