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
"""There is an answer, and it is that there is nothing."""


@dataclass(frozen=True)
class Question:
    """One name and type, such as `example.com`, `MX`; or what a name leads to: a URL and `HTTPS`,
    an SMTP server and `STARTTLS`."""

    name: str
    type: str
    unchecked: bool = False
    """Ask a validating resolver not to check signatures (RFC 4035 section 3.2.2)."""


@dataclass(frozen=True)
class Answer:
    """What came back for one question."""

    question: Question
    status: Status
    values: tuple[str, ...] = ()
    """As `wire.Resource.value`. HTTPS: content type and body, one character for each byte.
    STARTTLS: the server's certificate in base64. With UNTRUSTED and REJECTED: the reason."""
    chain: tuple[str, ...] = ()
    """Names that CNAMEs led to, the last one holding the values."""
    ttl: int = 0
    """Seconds for which the answer, or its absence, may be remembered."""
    secure: bool = False
    """The resolver says that it has checked signatures up to the root (RFC 4035 section 3.2.3)."""

    @property
    def failed(self) -> bool:
        """Nothing is known: neither that there is something nor that there is nothing."""
        return self.status is not Status.OK and self.status not in VOID


FindingType = TypeVar("FindingType")
Lookups = Generator[tuple[Question, ...], tuple[Answer, ...], FindingType]
"""A check that needs lookups: it yields questions to be asked at once, and is sent their answers in
the same order."""


def ask(name: str, kind: str) -> Lookups[Answer]:
    """One question, for `yield from`."""
    (answer,) = yield (Question(name.lower().rstrip("."), kind),)
    return answer


def probe(name: str, kind: str) -> Lookups[Answer]:
    """What a URL (`HTTPS`) or an SMTP server (`STARTTLS`) shows."""
    (answer,) = yield (Question(name, kind),)
    return answer


def ask_unchecked(name: str, kind: str) -> Lookups[Answer]:
    """One question whose answer a validating resolver gives even where signatures are wrong."""
    (answer,) = yield (Question(name.lower().rstrip("."), kind, unchecked=True),)
    return answer


def ask_all(*questions: tuple[str, str]) -> Lookups[tuple[Answer, ...]]:
    """Several questions at once."""
    answers = yield tuple(Question(name.lower().rstrip("."), kind) for name, kind in questions)
    return answers


def together(*parts: Lookups[FindingType]) -> Lookups[list[FindingType]]:
    """Several checks side by side: each round asks what all of them want to know."""
    results: dict[int, FindingType] = {}
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


def run(check: Lookups[FindingType], lookup: Callable[[Question], Answer]) -> FindingType:
    """Run a check on answers that are at hand."""
    try:
        questions = next(check)
        while True:
            questions = check.send(tuple(map(lookup, questions)))
    except StopIteration as end:
        result: FindingType = end.value
        return result
