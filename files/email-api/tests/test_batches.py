"""One question for many messages: each gets its own answer, and no one's trouble is another's."""

import asyncio
from collections.abc import Sequence

import pytest
from email_api.batches import Batcher
from email_api.errors import UnavailableError


class Work:
    """Answers with the square; the first round waits for `go`."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.rounds: list[list[int]] = []

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.rounds.append(list(numbers))
        await self.go.wait()
        if 0 in numbers:
            raise UnavailableError("database", "zero")
        return [number * number for number in numbers]


async def _asked(rounds: Batcher[int, int], *numbers: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(rounds.submit(number)) for number in numbers]
    await asyncio.sleep(0)
    return tasks


def test_who_comes_meanwhile_shares_the_next_round() -> None:
    async def run() -> None:
        work = Work()
        rounds = Batcher(work)
        first = await _asked(rounds, 1)
        await asyncio.sleep(0)
        others = await _asked(rounds, 2, 3, 4)
        work.go.set()
        assert await asyncio.gather(*first, *others) == [1, 4, 9, 16]
        assert work.rounds == [[1], [2, 3, 4]]

    asyncio.run(run())


def test_a_failure_is_told_to_its_round_only() -> None:
    async def run() -> None:
        work = Work()
        rounds = Batcher(work)
        first = await _asked(rounds, 1)
        await asyncio.sleep(0)
        failing = await _asked(rounds, 0, 2)
        work.go.set()
        assert await first[0] == 1
        for task in failing:
            with pytest.raises(UnavailableError):
                await task
        assert await rounds.submit(3) == 9

    asyncio.run(run())


def test_who_gives_up_does_not_stop_the_others() -> None:
    async def run() -> None:
        work = Work()
        rounds = Batcher(work)
        gone, staying = await _asked(rounds, 1, 2)
        gone.cancel()
        await asyncio.sleep(0)
        work.go.set()
        assert await staying == 4

    asyncio.run(run())
