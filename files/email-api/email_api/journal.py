"""Redis: what the relay has taken and the database may not know yet.

Written between the relay's answer and the commit, so that neither a database that goes away nor a
process that is killed in between makes a duplicate. Redis alone may lose all of it at any time: the
database has everything by then.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from email_api.errors import Unavailable
from email_api.rounds import Rounds

_SECONDS = 5
KEEP_SECONDS = 7 * 86400


class Journal:
    """Raises Unavailable when Redis does not answer."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=_SECONDS,
            socket_connect_timeout=_SECONDS,
            decode_responses=True,
            encoding_errors="replace",
        )
        self._questions = Rounds(self._mailboxes)
        self._entries = Rounds(self._add)
        self._recorded = Rounds(self._forget)

    async def close(self) -> None:
        await self._redis.aclose()

    async def ping(self) -> None:
        await self.mailboxes(b"")

    async def mailboxes(self, key: bytes) -> set[str]:
        """Mailboxes of a handoff that were relayed and perhaps not recorded."""
        return await self._questions.ask(key)

    async def _mailboxes(self, keys: Sequence[bytes]) -> list[set[str]]:
        with _told():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.smembers(_name(key))
                return [set(found) for found in await pipeline.execute()]

    async def add(self, key: bytes, mailbox: str) -> None:
        await self._entries.ask((key, mailbox))

    async def _add(self, entries: Sequence[tuple[bytes, str]]) -> list[None]:
        with _told():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key, mailbox in entries:
                    pipeline.sadd(_name(key), mailbox)
                    pipeline.expire(_name(key), KEEP_SECONDS)
                await pipeline.execute()
        return [None] * len(entries)

    async def forget(self, key: bytes) -> None:
        """The database knows all of it."""
        await self._recorded.ask(key)

    async def _forget(self, keys: Sequence[bytes]) -> list[None]:
        with _told():
            await self._redis.delete(*(_name(key) for key in keys))
        return [None] * len(keys)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise Unavailable("redis", type(error).__name__) from error


def _name(key: bytes) -> str:
    return f"email-api:relayed:{key.hex()}"
