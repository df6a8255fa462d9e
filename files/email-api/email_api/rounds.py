"""Work for many at once: what is asked for while a round is under way is done in the next one.

A statement, and a commit that waits for the disk, cost nearly the same for one message as for
fifty.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from email_api.errors import Unavailable

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

_MOST = 500
"""In one round, which bounds the size of a statement."""


class Rounds(Generic[Asked, Answer]):
    """`work` gets what was asked for, and returns an answer to each in the same order. What it
    raises, all of its round are told."""

    def __init__(self, work: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer]]]) -> None:
        self._work = work
        self._waiting: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self._running: asyncio.Task[None] | None = None

    async def ask(self, one: Asked) -> Answer:
        """At once if no round is under way."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                these, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                await self._round([one for one, _ in these], [future for _, future in these])
        finally:
            self._running = None

    async def _round(self, asked: list[Asked], futures: list[asyncio.Future[Answer]]) -> None:
        # Who was cancelled meanwhile has a future that is done.
        try:
            answers = await self._work(asked)
        except Exception as error:
            for future in futures:
                if not future.done():
                    future.set_exception(_own(error))
        else:
            for future, answer in zip(futures, answers, strict=True):
                if not future.done():
                    future.set_result(answer)


def _own(error: Exception) -> Exception:
    """One for each who is told, as raising an exception changes it."""
    if isinstance(error, Unavailable):
        return Unavailable(error.reason, error.detail)
    return error
