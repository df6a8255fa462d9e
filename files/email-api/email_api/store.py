"""The database: aliases, and the copies that the relay has accepted."""

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

from email_api.batches import Batcher
from email_api.errors import UnavailableError

ADDRESS_LENGTH = 320
KEEP_DAYS = 30
"""Longer than a mail queue keeps a message (Postfix: maximal_queue_lifetime, five days)."""

MAX_CONNECTIONS = 8
"""A batch uses one connection."""

_CONNECT_SECONDS = 5

metadata = sa.MetaData()
# Other collations treat some different addresses as equal.
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

_FIND_ALIASES = sa.select(alias_table).where(
    alias_table.c.address.in_(sa.bindparam("addresses", expanding=True)), alias_table.c.enabled
)
_FIND_RELAYED = sa.select(relayed_table.c.handoff, relayed_table.c.mailbox).where(
    relayed_table.c.handoff.in_(sa.bindparam("handoffs", expanding=True))
)
_INSERT_RELAYED = insert(relayed_table).prefix_with("IGNORE")


@dataclass(frozen=True)
class Alias:
    """An address, or `@domain` for all addresses of a domain without an alias of their own."""

    address: str
    mailboxes: tuple[str, ...]
    enabled: bool = True


def digest(aliases: Iterable[Alias]) -> str:
    """Returns the SHA-256 (hex) of a list of aliases. Their order does not matter."""
    rows = sorted([alias.address, sorted(alias.mailboxes), alias.enabled] for alias in aliases)
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)


class Store:
    """Every method raises UnavailableError if the database fails or does not respond."""

    def __init__(self, url: str, answer_seconds: float) -> None:
        self._answer_seconds = answer_seconds
        self.engine = create_async_engine(
            url,
            # Makes each statement durable without another round trip for COMMIT.
            isolation_level="AUTOCOMMIT",
            pool_size=MAX_CONNECTIONS,
            max_overflow=0,
            pool_timeout=_CONNECT_SECONDS,
            # No ping before each use: on a dead connection the first statement fails, before the
            # relay gets anything, and SQLAlchemy then discards all connections of the pool.
            pool_recycle=1800,
            pool_reset_on_return=None,
            connect_args={"connect_timeout": _CONNECT_SECONDS, "charset": "utf8mb4"},
        )
        self._alias_reads = Batcher(self._find_batch)
        self._relayed_reads = Batcher(self._relayed_batch)
        self._records = Batcher(self._record_batch)

    async def close(self) -> None:
        await self.engine.dispose()

    async def ping(self) -> None:
        async with self._connection() as connection:
            await connection.execute(sa.select(1))

    async def aliases(self) -> list[Alias]:
        query = sa.select(alias_table).order_by(alias_table.c.address)
        async with self._connection() as connection:
            return [_alias(row) for row in await connection.execute(query)]

    async def find(self, addresses: Sequence[str]) -> dict[str, Alias]:
        """Returns the enabled aliases among these addresses."""
        return await self._alias_reads.submit(addresses)

    async def _find_batch(self, queries: Sequence[Sequence[str]]) -> list[dict[str, Alias]]:
        distinct = list({address for addresses in queries for address in addresses})
        known: dict[str, Alias] = {}
        async with self._connection() as connection:
            for start in range(0, len(distinct), 1000):
                parameters = {"addresses": distinct[start : start + 1000]}
                rows = await connection.execute(_FIND_ALIASES, parameters)
                known |= {row.address: _alias(row) for row in rows}
        return [
            {address: known[address] for address in addresses if address in known}
            for addresses in queries
        ]

    async def relayed(self, handoff: bytes) -> set[str]:
        """Returns the mailboxes whose copy the relay has accepted."""
        return await self._relayed_reads.submit(handoff)

    async def _relayed_batch(self, handoffs: Sequence[bytes]) -> list[set[str]]:
        mailboxes: dict[bytes, set[str]] = {handoff: set() for handoff in handoffs}
        async with self._connection() as connection:
            for row in await connection.execute(_FIND_RELAYED, {"handoffs": list(mailboxes)}):
                mailboxes[row.handoff].add(row.mailbox)
        return [mailboxes[handoff] for handoff in handoffs]

    async def record(self, handoff: bytes, mailbox: str) -> None:
        """Record a copy that the relay has accepted. The record is durable on return."""
        await self._records.submit((handoff, mailbox))

    async def _record_batch(self, relayed: Sequence[tuple[bytes, str]]) -> list[None]:
        now = utc_now()
        rows = [
            {"handoff": handoff, "mailbox": mailbox, "relayed_at": now}
            for handoff, mailbox in relayed
        ]
        async with self._connection() as connection:
            await connection.execute(_INSERT_RELAYED, rows)
        return [None] * len(rows)

    async def replace_aliases(self, aliases: Sequence[Alias]) -> None:
        """Replace all aliases by these, in one transaction."""
        rows = [
            {
                "address": alias.address,
                "mailboxes": list(alias.mailboxes),
                "enabled": alias.enabled,
            }
            for alias in aliases
        ]
        async with self._connection("REPEATABLE READ") as connection, connection.begin():
            await connection.execute(sa.delete(alias_table))
            if rows:
                await connection.execute(sa.insert(alias_table), rows)

    async def prune(self) -> int:
        """Delete at most 10,000 records older than KEEP_DAYS. Returns how many were deleted."""
        before = utc_now() - datetime.timedelta(days=KEEP_DAYS)
        statement = sa.text("DELETE FROM relayed WHERE relayed_at < :before LIMIT 10000")
        async with self._connection() as connection:
            return (await connection.execute(statement, {"before": before})).rowcount

    @asynccontextmanager
    async def _connection(self, isolation: str | None = None) -> AsyncIterator[AsyncConnection]:
        try:
            async with self.engine.connect() as connection:
                if isolation:
                    await connection.execution_options(isolation_level=isolation)
                # A server that hangs keeps its connections open, so nothing else ends the wait.
                async with asyncio.timeout(self._answer_seconds):
                    yield connection
        except (SQLAlchemyError, OSError, TimeoutError, RuntimeError) as error:
            raise UnavailableError("database", type(error).__name__) from error


def _alias(row: sa.Row[Any]) -> Alias:
    return Alias(row.address, tuple(row.mailboxes), bool(row.enabled))
