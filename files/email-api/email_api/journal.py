"""Redis: what the relay has taken and the database may not know yet.

Written between the relay's answer and the commit, so that neither a database that goes away nor a
process that is killed in between makes a duplicate. Redis alone may lose all of it at any time: the
database has everything by then.
"""

from redis.asyncio import Redis
from redis.exceptions import RedisError

from email_api.errors import Unavailable

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

    async def close(self) -> None:
        await self._redis.aclose()

    async def ping(self) -> None:
        await self.mailboxes(b"")

    async def mailboxes(self, key: bytes) -> set[str]:
        """Mailboxes of a handoff that were relayed and perhaps not recorded."""
        try:
            return {str(mailbox) for mailbox in await self._redis.smembers(_name(key))}
        except (RedisError, OSError) as error:
            raise Unavailable("redis", type(error).__name__) from error

    async def add(self, key: bytes, mailbox: str) -> None:
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.sadd(_name(key), mailbox)
                pipeline.expire(_name(key), KEEP_SECONDS)
                await pipeline.execute()
        except (RedisError, OSError) as error:
            raise Unavailable("redis", type(error).__name__) from error

    async def forget(self, key: bytes) -> None:
        """The database knows all of it."""
        try:
            await self._redis.delete(_name(key))
        except (RedisError, OSError) as error:
            raise Unavailable("redis", type(error).__name__) from error


def _name(key: bytes) -> str:
    return f"email-api:relayed:{key.hex()}"
