"""The database: aliases, and what has been relayed. It holds the truth of both."""

import asyncio
import datetime
import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from email_api.errors import Unavailable

ADDRESS_LENGTH = 320
KEEP_DAYS = 30
"""Longer than any queue keeps a message (Postfix: maximal_queue_lifetime, five days)."""

CONNECTIONS = 64
_LOCK_SECONDS = 5
_ANSWER_SECONDS = 20

metadata = sa.MetaData()
# Binary collation: another one would take addresses for equal that are not.
_ADDRESS = sa.String(ADDRESS_LENGTH, collation="utf8mb4_bin")

alias_table = sa.Table(
    "alias",
    metadata,
    sa.Column("address", _ADDRESS, primary_key=True),
    sa.Column("mailboxes", sa.JSON, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
)
relayed_table = sa.Table(
    "relayed",
    metadata,
    sa.Column("handoff", sa.BINARY(32), primary_key=True),
    sa.Column("mailbox", _ADDRESS, primary_key=True),
    sa.Column("relayed_at", sa.DateTime, nullable=False, index=True),
)


@dataclass(frozen=True)
class Alias:
    """An address, or `@domain` for every address there that has no alias of its own."""

    address: str
    mailboxes: tuple[str, ...]
    enabled: bool = True


def digest(aliases: Iterable[Alias]) -> str:
    """SHA-256 (hex) of a list of aliases, whatever its order."""
    rows = sorted([alias.address, sorted(alias.mailboxes), alias.enabled] for alias in aliases)
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)


class Claim:
    """One handoff, which nobody else works on as long as this exists."""

    def __init__(self, connection: AsyncConnection, key: bytes) -> None:
        self._connection = connection
        self._key = key

    async def relayed(self) -> set[str]:
        """Mailboxes that need nothing any more."""
        query = sa.select(relayed_table.c.mailbox).where(relayed_table.c.handoff == self._key)
        async with _answer():
            return set((await self._connection.execute(query)).scalars())

    async def record(self, mailbox: str) -> None:
        """Durable when it returns."""
        row = {"handoff": self._key, "mailbox": mailbox, "relayed_at": utc_now()}
        async with _answer():
            await self._connection.execute(insert(relayed_table).values(row).prefix_with("IGNORE"))


class Store:
    """Raises Unavailable whenever the database does not do its part."""

    def __init__(self, url: str) -> None:
        self.engine = create_async_engine(
            url,
            # Each statement is durable at once, without a round trip to say so.
            isolation_level="AUTOCOMMIT",
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=_LOCK_SECONDS,
            # No ping before each use: what a dead connection breaks is its first statement, before
            # anything is sent, and with it go all others of the pool.
            pool_recycle=1800,
            pool_reset_on_return=None,
            connect_args={"connect_timeout": _LOCK_SECONDS, "charset": "utf8mb4"},
        )

    async def close(self) -> None:
        await self.engine.dispose()

    async def ping(self) -> None:
        async with self._connection() as connection, _answer():
            await connection.execute(sa.select(1))

    async def aliases(self) -> list[Alias]:
        query = sa.select(alias_table).order_by(alias_table.c.address)
        async with self._connection() as connection, _answer():
            return [_alias(row) for row in await connection.execute(query)]

    async def find(self, addresses: Sequence[str]) -> dict[str, Alias]:
        """The enabled aliases among some addresses."""
        found: dict[str, Alias] = {}
        async with self._connection() as connection, _answer():
            for start in range(0, len(addresses), 1000):
                query = sa.select(alias_table).where(
                    alias_table.c.address.in_(addresses[start : start + 1000]),
                    alias_table.c.enabled,
                )
                found |= {row.address: _alias(row) for row in await connection.execute(query)}
        return found

    async def replace(self, aliases: Sequence[Alias]) -> None:
        """Make these the aliases, all at once."""
        rows = [
            {"address": a.address, "mailboxes": list(a.mailboxes), "enabled": a.enabled}
            for a in aliases
        ]
        isolated = self._connection("REPEATABLE READ")
        async with isolated as connection, _answer(), connection.begin():
            await connection.execute(sa.delete(alias_table))
            if rows:
                await connection.execute(sa.insert(alias_table), rows)

    @asynccontextmanager
    async def claim(self, key: bytes) -> AsyncIterator[Claim]:
        """The named lock lives as long as this connection: a process that is killed lets go."""
        # MariaDB: at most 64 characters, and one name space for the whole server.
        name = f"email-api {key.hex()[:40]}"
        async with self._connection() as connection:
            async with _answer():
                held = await connection.scalar(sa.select(sa.func.get_lock(name, _LOCK_SECONDS)))
            if held != 1:
                raise Unavailable("in_flight", "another request works on this message")
            try:
                yield Claim(connection, key)
            finally:
                await self._release(connection, name)

    async def _release(self, connection: AsyncConnection, name: str) -> None:
        try:
            async with _answer():
                await connection.execute(sa.select(sa.func.release_lock(name)))
        except (SQLAlchemyError, OSError, TimeoutError):
            # Not back into the pool with the lock still held.
            await connection.invalidate()

    async def prune(self) -> int:
        """Forget what was relayed long ago; returns the number of rows."""
        before = utc_now() - datetime.timedelta(days=KEEP_DAYS)
        statement = sa.text("DELETE FROM relayed WHERE relayed_at < :before LIMIT 10000")
        async with self._connection() as connection, _answer():
            return (await connection.execute(statement, {"before": before})).rowcount

    @asynccontextmanager
    async def _connection(self, isolation: str | None = None) -> AsyncIterator[AsyncConnection]:
        try:
            async with self.engine.connect() as connection:
                if isolation:
                    await connection.execution_options(isolation_level=isolation)
                yield connection
        except (SQLAlchemyError, OSError, TimeoutError, RuntimeError) as error:
            raise Unavailable("database", type(error).__name__) from error


def _answer() -> asyncio.Timeout:
    """A server that is stopped, not dead, would keep us waiting for ever."""
    return asyncio.timeout(_ANSWER_SECONDS)


def _alias(row: sa.Row[Any]) -> Alias:
    return Alias(row.address, tuple(row.mailboxes), bool(row.enabled))
