"""A resolver for one run: caches answers and queries the given servers in turn."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from mailfleet.dns.resolve import wire
from mailfleet.dns.resolve.answer import Answer, FindingType, Lookups, Question, Status
from mailfleet.dns.resolve.probe import PROBES, Probes
from mailfleet.dns.resolve.server import Address, Asked, NoAnswerError, NotReachableError, Server

Item = TypeVar("Item")

_RCODES = {
    wire.NXDOMAIN: Status.NXDOMAIN,
    wire.REFUSED: Status.REFUSED,
    wire.SERVFAIL: Status.SERVFAIL,
}
_SETTLED = frozenset({Status.OK, Status.NODATA, Status.NXDOMAIN})
_REMEMBERED = 2048
"""Questions, the last ones asked: what all domains ask about, and what 100 of them ask."""
_AHEAD = 16384
"""Looks that may end before an earlier one has: what 2,000 domains take while one waits for silent
servers. A kilobyte each."""
MAX_CHAIN = 8
"""CNAMEs followed (RFC 1034 section 5.2.2 asks for a bound without naming one)."""


@dataclass(frozen=True)
class Limits:
    """What one run may take."""

    seconds: float = 60.0
    """For the whole run: what is not answered by then counts as unanswered."""
    first_wait: float = 1.5
    """For one query; a second try waits twice as long."""
    tries: int = 2
    in_flight: int = 100
    """Questions at once; with many more, answers overflow the socket (Linux: 212992 bytes)."""
    rate: float = 500.0
    """Queries per second to each server; 0: as fast as it answers."""


def system_servers(file: Path = Path("/etc/resolv.conf")) -> list[Address]:
    """The servers that this machine uses (resolv.conf(5)); 127.0.0.1 where it names none."""
    servers = []
    if file.is_file():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver" and "%" not in words[1]:
                servers.append(Address.parse(f"[{words[1]}]"))
    return servers or [Address("127.0.0.1")]


async def run_parallel(
    check: Callable[[Item], Awaitable[FindingType]],
    items: Iterable[Item],
    limit: int,
    take: Callable[[FindingType], object],
) -> None:
    """Look at items, so many at once, and hand what is found to `take`, in their order: what has
    not begun costs nothing, nor does what has been taken."""
    results: dict[int, FindingType] = {}
    room = asyncio.Semaphore(_AHEAD)
    waiting = iter(enumerate(items))
    taken = 0

    async def work() -> None:
        nonlocal taken
        for number, item in waiting:
            await room.acquire()
            results[number] = await check(item)
            while taken in results:
                take(results.pop(taken))
                taken += 1
                room.release()

    await asyncio.gather(*(work() for _ in range(limit)))


class Resolver:
    """Asks, remembers, and never takes longer than its limits. Use it inside one event loop. All
    answers are told to `answered`."""

    def __init__(
        self,
        servers: Sequence[Address],
        limits: Limits | None = None,
        probes: Probes | None = None,
        answered: Callable[[Answer], None] = lambda answer: None,
    ) -> None:
        self._limits = limits or Limits()
        self._probes = probes or Probes()
        self.servers = [Server(address, self._limits.rate) for address in servers]
        self._answered = answered
        self._known: OrderedDict[Question, asyncio.Task[Answer]] = OrderedDict()
        self._slots = asyncio.Semaphore(self._limits.in_flight)
        self._ends = asyncio.get_running_loop().time() + self._limits.seconds
        self._plain: set[Server] = set()
        """Servers that know nothing of EDNS."""

    async def run(self, check: Lookups[FindingType]) -> FindingType:
        """Run a check, asking what it asks."""
        try:
            questions = next(check)
            while True:
                tasks = [self._ask(question) for question in questions]
                questions = check.send(tuple([await task for task in tasks]))
        except StopIteration as end:
            result: FindingType = end.value
            return result

    async def run_all(
        self, checks: Iterable[Lookups[FindingType]], take: Callable[[FindingType], object]
    ) -> None:
        """Run checks side by side, no more at once than there are questions in flight, and hand
        what each found to `take`, in their order."""
        await run_parallel(self.run, checks, self._limits.in_flight, take)

    @property
    def sent(self) -> int:
        """Queries sent."""
        return sum(server.sent for server in self.servers)

    def close(self) -> None:
        for server in self.servers:
            server.close()

    def _ask(self, question: Question) -> asyncio.Task[Answer]:
        task = self._known.get(question)
        if task is not None:
            self._known.move_to_end(question)
            return task
        task = asyncio.get_running_loop().create_task(self._find(question))
        self._known[question] = task
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return task

    async def _find(self, question: Question) -> Answer:
        look = self._look_there if question.type in PROBES else self._resolve
        answer = await look(question)
        self._answered(answer)
        return answer

    async def _resolve(self, question: Question) -> Answer:
        """Follow CNAMEs that a server leaves to be followed, as authoritative ones do."""
        chain: list[str] = []
        name = question.name
        ttl = 1 << 31
        secure = True
        while len(chain) < MAX_CHAIN:
            step = await self._settle(Question(name, question.type, question.unchecked))
            if step.question == question and (step.values or not step.chain):
                return step
            ttl = min(ttl, step.ttl)
            secure = secure and step.secure
            if set(step.chain) & {question.name, *chain}:
                break
            chain += step.chain
            if step.status is not Status.OK or step.values:
                return Answer(question, step.status, step.values, tuple(chain), ttl, secure)
            name = chain[-1]
        return Answer(question, Status.LOOP, (), tuple(chain), 0)

    async def _look_there(self, question: Question) -> Answer:
        """What the addresses of a name show, the first one that answers."""
        host = self._probes.host(question)
        tasks = [self._ask(Question(host, kind)) for kind in ("A", "AAAA")]
        answers = [await task for task in tasks]
        addresses = [value for answer in answers for value in answer.values]
        if not addresses:
            return Answer(question, answers[0].status)
        async with self._slots:
            return await self._probes.look(question, addresses, self._left())

    def _left(self) -> float:
        return self._ends - asyncio.get_running_loop().time()

    async def _settle(self, question: Question) -> Answer:
        """The answer of the first server that has one, else the last failure."""
        try:
            name = wire.encode_name(question.name)
        except wire.InvalidNameError:
            return Answer(question, Status.BAD_NAME)
        failure = Answer(question, Status.TIMEOUT)
        for attempt in range(self._limits.tries):
            for server in self.servers:
                async with self._slots:
                    answer = await self._query(server, question, name, 2**attempt)
                if answer.status in _SETTLED:
                    return answer
                failure = answer
        return failure

    async def _query(
        self, server: Server, question: Question, name: bytes, patience: int
    ) -> Answer:
        seconds = min(self._left(), self._limits.first_wait * patience)
        if seconds <= 0:
            return Answer(question, Status.TIMEOUT)
        kind = wire.TYPES[question.type]
        asked = Asked(name, kind, server not in self._plain, question.unchecked)
        try:
            data = await server.exchange(asked, seconds)
            if asked.edns and data[3] & 15 in (wire.FORMERR, wire.NOTIMP):
                self._plain.add(server)
                data = await server.exchange(replace(asked, edns=False), seconds)
            return interpret(question, wire.parse(data))
        except NotReachableError:
            return Answer(question, Status.UNREACHABLE)
        except NoAnswerError:
            return Answer(question, Status.TIMEOUT)
        except wire.MalformedMessageError:
            return Answer(question, Status.MALFORMED)


def interpret(question: Question, message: wire.Message) -> Answer:
    """What a message says to a question. Status OK without values: look further at the chain's
    last name."""
    if message.rcode not in (wire.NOERROR, wire.NXDOMAIN):
        return Answer(question, _RCODES.get(message.rcode, Status.SERVFAIL))
    aliases = {record.name: record for record in message.answers if record.type == "CNAME"}
    name, ttl = question.name, 1 << 31
    chain: list[str] = []
    while question.type != "CNAME" and name in aliases:
        ttl = min(ttl, aliases[name].ttl)
        name = aliases[name].value
        if name in chain or name == question.name:
            return Answer(question, Status.LOOP, (), tuple(chain))
        chain.append(name)
    records = [
        record for record in message.answers if record.name == name and record.type == question.type
    ]
    if records:
        ttl = min(ttl, *(record.ttl for record in records))
        # A set has no order, and servers rotate it.
        values = tuple(sorted({record.value for record in records}))
        return Answer(question, Status.OK, values, tuple(chain), ttl, message.secure)
    negative = _negative_ttl(message)
    if message.rcode == wire.NXDOMAIN:
        return Answer(question, Status.NXDOMAIN, (), tuple(chain), negative, message.secure)
    says_none = any(record.type == "SOA" for record in message.authority)
    if chain and not says_none:
        return Answer(question, Status.OK, (), tuple(chain), ttl, message.secure)
    if not (says_none or message.authoritative or message.recursion):
        return Answer(question, Status.LAME)
    return Answer(question, Status.NODATA, (), tuple(chain), negative, message.secure)


def _negative_ttl(message: wire.Message) -> int:
    """RFC 2308 section 5: the lesser of the SOA's TTL and its last field."""
    for record in message.authority:
        if record.type == "SOA":
            return min(record.ttl, int(record.value.split()[-1]))
    return 0
