"""Questions to DNS and their answers. Checks are generators that yield questions and are sent the
answers, so the same check runs against servers, against a recording and in tests."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar


class Status(StrEnum):
    """How a question ended."""

    OK = "ok"
    NODATA = "no such record"
    NXDOMAIN = "no such name"
    SERVFAIL = "server failure"
    REFUSED = "refused"
    LAME = "lame server"
    MALFORMED = "malformed answer"
    TIMEOUT = "no answer in time"
    UNREACHABLE = "server not reachable"
    LOOP = "CNAME loop"
    BAD_NAME = "not a valid name"
    UNTRUSTED = "certificate not trusted"
    REJECTED = "not what was asked for"
    NOT_RECORDED = "not in the recording"


VOID = frozenset({Status.NODATA, Status.NXDOMAIN, Status.BAD_NAME})
"""The servers answered that there is no such record."""


@dataclass(frozen=True)
class Question:
    """A name and a type, such as `example.com` and `MX`; or a probe: a URL and `HTTPS`, an SMTP
    server and `STARTTLS`."""

    name: str
    type: str
    unchecked: bool = False
    """Tell a validating resolver not to verify signatures (RFC 4035 section 3.2.2)."""


@dataclass(frozen=True)
class Answer:
    """The answer to one question."""

    question: Question
    status: Status
    values: tuple[str, ...] = ()
    """As `wire.Resource.value`. HTTPS: content type and body, one character for each byte.
    STARTTLS: the server's certificate in base64. With UNTRUSTED and REJECTED: the reason."""
    chain: tuple[str, ...] = ()
    """Names that CNAMEs led to, the last one holding the values."""
    ttl: int = 0
    """Seconds for which the answer, or the absence of records, may be cached."""
    secure: bool = False
    """The resolver has verified the signatures up to the root (RFC 4035 section 3.2.3)."""

    @property
    def failed(self) -> bool:
        """Unknown: neither that records exist nor that they do not."""
        return self.status is not Status.OK and self.status not in VOID


Result = TypeVar("Result")
Lookups = Generator[tuple[Question, ...], tuple[Answer, ...], Result]
"""A check: it yields questions to be queried concurrently and is sent their answers in the same
order."""


def query(name: str, kind: str) -> Lookups[Answer]:
    """One question, for `yield from`."""
    (answer,) = yield (Question(name.lower().rstrip("."), kind),)
    return answer


def probe(name: str, kind: str) -> Lookups[Answer]:
    """Probe a URL (`HTTPS`) or an SMTP server (`STARTTLS`)."""
    (answer,) = yield (Question(name, kind),)
    return answer


def query_unchecked(name: str, kind: str) -> Lookups[Answer]:
    """One question that a validating resolver answers even if signatures are wrong."""
    (answer,) = yield (Question(name.lower().rstrip("."), kind, unchecked=True),)
    return answer


def query_all(*questions: tuple[str, str]) -> Lookups[tuple[Answer, ...]]:
    """Several questions, queried concurrently."""
    answers = yield tuple(Question(name.lower().rstrip("."), kind) for name, kind in questions)
    return answers


def run_together(*parts: Lookups[Result]) -> Lookups[list[Result]]:
    """Run several checks together: each round queries the questions of all of them."""
    results: dict[int, Result] = {}
    waiting: dict[int, tuple[Question, ...]] = {}

    def step(number: int, answers: tuple[Answer, ...] | None) -> None:
        try:
            waiting[number] = (
                next(parts[number]) if answers is None else parts[number].send(answers)
            )
        except StopIteration as end:
            results[number] = end.value
            waiting.pop(number, None)

    for number in range(len(parts)):
        step(number, None)
    while waiting:
        asked = dict(waiting)
        answers = yield tuple(question for questions in asked.values() for question in questions)
        at = 0
        for number, questions in asked.items():
            step(number, answers[at : at + len(questions)])
            at += len(questions)
    return [results[number] for number in range(len(parts))]


def run(check: Lookups[Result], lookup: Callable[[Question], Answer]) -> Result:
    """Run a check on answers from `lookup`."""
    try:
        questions = next(check)
        while True:
            questions = check.send(tuple(map(lookup, questions)))
    except StopIteration as end:
        result: Result = end.value
        return result
