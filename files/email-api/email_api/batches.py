"""Batching: requests that arrive while a batch is being processed share the next one.

A statement, and a commit that waits for the disk, cost about as much for fifty messages as for one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from email_api.errors import UnavailableError

Item = TypeVar("Item")
Result = TypeVar("Result")

_MAX_ITEMS = 500
"""Per batch: bounds the size of a statement."""


class Batcher(Generic[Item, Result]):
    """Calls `process` with a list of items; it returns one result per item, in the same order.

    An exception of `process` is raised to every caller in that batch.
    """

    def __init__(self, process: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]) -> None:
        self._process = process
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """Process one item, together with all others that are waiting. Starts at once if no batch
        is being processed."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MAX_ITEMS], self._waiting[_MAX_ITEMS:]
                await self._process_batch(batch)
        finally:
            self._running = None

    async def _process_batch(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        # The future of a cancelled caller is done already.
        try:
            results = await self._process([item for item, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(_copy(error))
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)


def _copy(error: Exception) -> Exception:
    """A separate exception for each caller: raising one changes its traceback."""
    if isinstance(error, UnavailableError):
        return UnavailableError(error.reason, error.detail)
    return error
