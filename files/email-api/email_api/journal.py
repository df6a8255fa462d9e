"""The journal in Valkey or Redis: copies that the relay has accepted and the database may not have
recorded yet.

Written between the relay's reply and the database's commit, so that neither an unreachable database
nor a killed process causes a duplicate. Losing the journal alone is harmless: the database has
recorded everything by then.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from email_api.batches import Batcher
from email_api.errors import UnavailableError

_TIMEOUT_SECONDS = 5
KEEP_SECONDS = 7 * 86400


class Journal:
    """Every method raises UnavailableError if the server fails or does not respond."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            decode_responses=True,
            encoding_errors="replace",
        )
        self._reads = Batcher(self._read_batch)
        self._additions = Batcher(self._add_batch)
        self._deletions = Batcher(self._delete_batch)

    async def close(self) -> None:
        await self._redis.aclose()

    async def ping(self) -> None:
        await self.mailboxes(b"")

    async def mailboxes(self, key: bytes) -> set[str]:
        """Returns the mailboxes whose copy the relay has accepted in this handoff."""
        return await self._reads.submit(key)

    async def _read_batch(self, keys: Sequence[bytes]) -> list[set[str]]:
        with _unavailable_on_error():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.smembers(_name(key))
                return [set(mailboxes) for mailboxes in await pipeline.execute()]

    async def add(self, key: bytes, mailbox: str) -> None:
        await self._additions.submit((key, mailbox))

    async def _add_batch(self, entries: Sequence[tuple[bytes, str]]) -> list[None]:
        with _unavailable_on_error():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key, mailbox in entries:
                    pipeline.sadd(_name(key), mailbox)
                    pipeline.expire(_name(key), KEEP_SECONDS)
                await pipeline.execute()
        return [None] * len(entries)

    async def delete(self, key: bytes) -> None:
        """Delete the entries of a handoff that the database has recorded in full."""
        await self._deletions.submit(key)

    async def _delete_batch(self, keys: Sequence[bytes]) -> list[None]:
        with _unavailable_on_error():
            await self._redis.delete(*(_name(key) for key in keys))
        return [None] * len(keys)


@contextmanager
def _unavailable_on_error() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise UnavailableError("redis", type(error).__name__) from error


def _name(key: bytes) -> str:
    return f"email-api:relayed:{key.hex()}"
