"""A resolver for one run: caches answers and queries the given servers in turn."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from mailfleet.dns.resolve import wire
from mailfleet.dns.resolve.answer import Answer, Lookups, Question, Result, Status
from mailfleet.dns.resolve.probe import PROBES, Probes
from mailfleet.dns.resolve.server import Address, NoAnswerError, NotReachableError, Query, Server

Item = TypeVar("Item")

_RCODES = {
    wire.NXDOMAIN: Status.NXDOMAIN,
    wire.REFUSED: Status.REFUSED,
    wire.SERVFAIL: Status.SERVFAIL,
}
_SETTLED = frozenset({Status.OK, Status.NODATA, Status.NXDOMAIN})
_CACHED_QUESTIONS = 2048
"""Most recent questions kept: those common to all domains, and those of about 100 domains."""
_MAX_WAITING_RESULTS = 16384
"""Checks that may finish before an earlier one: those of 2,000 domains while one waits for silent
servers. Their results take a kilobyte each."""
MAX_CHAIN = 8
"""CNAMEs followed (RFC 1034 section 5.2.2 asks for a bound without naming one)."""


@dataclass(frozen=True)
class Limits:
    """Limits of one run."""

    seconds: float = 60.0
    """For the whole run: later answers count as missing."""
    first_wait: float = 1.5
    """For one query; a second try waits twice as long."""
    tries: int = 2
    in_flight: int = 100
    """Concurrent questions; with many more, answers overflow the socket buffer (Linux: 212992
    bytes)."""
    rate: float = 500.0
    """Queries per second to each server; 0: no limit."""


def system_servers(file: Path = Path("/etc/resolv.conf")) -> list[Address]:
    """The servers that this machine uses (resolv.conf(5)); 127.0.0.1 where it names none."""
    servers = []
    if file.is_file():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver" and "%" not in words[1]:
                servers.append(Address.parse(f"[{words[1]}]"))
    return servers or [Address("127.0.0.1")]


async def gather_bounded(
    check: Callable[[Item], Awaitable[Result]],
    items: Iterable[Item],
    limit: int,
    take: Callable[[Result], object],
) -> None:
    """Check items, at most `limit` concurrently, and pass the results to `take` in the order of the
    items. Memory stays bounded: items are read when they start, results dropped when taken."""
    results: dict[int, Result] = {}
    room = asyncio.Semaphore(_MAX_WAITING_RESULTS)
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
    """Queries servers and caches answers within limits. Belongs to one event loop. Passes every
    answer to `answered`."""

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
        """Servers that do not support EDNS."""

    async def run(self, check: Lookups[Result]) -> Result:
        """Run a check and answer its questions."""
        try:
            questions = next(check)
            while True:
                tasks = [self._query_once(question) for question in questions]
                questions = check.send(tuple([await task for task in tasks]))
        except StopIteration as end:
            result: Result = end.value
            return result

    async def run_all(
        self, checks: Iterable[Lookups[Result]], take: Callable[[Result], object]
    ) -> None:
        """Run checks concurrently, as many as questions may be in flight, and pass their results to
        `take` in the order of the checks."""
        await gather_bounded(self.run, checks, self._limits.in_flight, take)

    @property
    def sent(self) -> int:
        """Queries sent."""
        return sum(server.sent for server in self.servers)

    def close(self) -> None:
        for server in self.servers:
            server.close()

    def _query_once(self, question: Question) -> asyncio.Task[Answer]:
        task = self._known.get(question)
        if task is not None:
            self._known.move_to_end(question)
            return task
        task = asyncio.get_running_loop().create_task(self._query_and_record(question))
        self._known[question] = task
        if len(self._known) > _CACHED_QUESTIONS:
            self._known.popitem(last=False)
        return task

    async def _query_and_record(self, question: Question) -> Answer:
        look = self._probe if question.type in PROBES else self._resolve
        answer = await look(question)
        self._answered(answer)
        return answer

    async def _resolve(self, question: Question) -> Answer:
        """Query, and follow CNAMEs that the server did not follow, as authoritative ones do not."""
        chain: list[str] = []
        name = question.name
        ttl = 1 << 31
        secure = True
        while len(chain) < MAX_CHAIN:
            step = await self._query_servers(Question(name, question.type, question.unchecked))
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

    async def _probe(self, question: Question) -> Answer:
        """Probe the addresses of a name; the first that answers counts."""
        host = self._probes.host(question)
        tasks = [self._query_once(Question(host, kind)) for kind in ("A", "AAAA")]
        answers = [await task for task in tasks]
        addresses = [value for answer in answers for value in answer.values]
        if not addresses:
            return Answer(question, answers[0].status)
        async with self._slots:
            return await self._probes.look(question, addresses, self._left())

    def _left(self) -> float:
        return self._ends - asyncio.get_running_loop().time()

    async def _query_servers(self, question: Question) -> Answer:
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
        query = Query(name, kind, server not in self._plain, question.unchecked)
        try:
            data = await server.exchange(query, seconds)
            if query.edns and data[3] & 15 in (wire.FORMERR, wire.NOTIMP):
                self._plain.add(server)
                data = await server.exchange(replace(query, edns=False), seconds)
            return interpret(question, wire.parse(data))
        except NotReachableError:
            return Answer(question, Status.UNREACHABLE)
        except NoAnswerError:
            return Answer(question, Status.TIMEOUT)
        except wire.MalformedMessageError:
            return Answer(question, Status.MALFORMED)


def interpret(question: Question, message: wire.Message) -> Answer:
    """The answer that a message gives to a question. Status OK without values: continue with the
    last name of the chain."""
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
