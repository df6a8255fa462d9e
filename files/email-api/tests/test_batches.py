"""Batcher: every caller gets its own result, and a failure stays within its batch."""

import asyncio
from collections.abc import Sequence

import pytest
from email_api.batches import Batcher
from email_api.errors import UnavailableError


class Squares:
    """Returns squares. The first batch waits for `release`; a batch that contains 0 fails."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.batches: list[list[int]] = []

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        await self.release.wait()
        if 0 in numbers:
            raise UnavailableError("database", "zero")
        return [number * number for number in numbers]


async def _submit(batcher: Batcher[int, int], *numbers: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(batcher.submit(number)) for number in numbers]
    await asyncio.sleep(0)
    return tasks


def test_items_that_arrive_during_a_batch_share_the_next_one() -> None:
    async def run() -> None:
        squares = Squares()
        batcher = Batcher(squares)
        first = await _submit(batcher, 1)
        await asyncio.sleep(0)
        others = await _submit(batcher, 2, 3, 4)
        squares.release.set()
        assert await asyncio.gather(*first, *others) == [1, 4, 9, 16]
        assert squares.batches == [[1], [2, 3, 4]]

    asyncio.run(run())


def test_a_failure_is_raised_to_its_own_batch_only() -> None:
    async def run() -> None:
        squares = Squares()
        batcher = Batcher(squares)
        first = await _submit(batcher, 1)
        await asyncio.sleep(0)
        failing = await _submit(batcher, 0, 2)
        squares.release.set()
        assert await first[0] == 1
        for task in failing:
            with pytest.raises(UnavailableError):
                await task
        assert await batcher.submit(3) == 9

    asyncio.run(run())


def test_a_cancelled_caller_does_not_affect_the_others() -> None:
    async def run() -> None:
        squares = Squares()
        batcher = Batcher(squares)
        cancelled, waiting = await _submit(batcher, 1, 2)
        cancelled.cancel()
        await asyncio.sleep(0)
        squares.release.set()
        assert await waiting == 4

    asyncio.run(run())
