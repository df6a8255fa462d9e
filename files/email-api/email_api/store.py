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
from email_api.rounds import Rounds

ADDRESS_LENGTH = 320
KEEP_DAYS = 30
"""Longer than any queue keeps a message (Postfix: maximal_queue_lifetime, five days)."""

CONNECTIONS = 8
"""Each round of questions or records has one for as long as it takes."""

_CONNECT_SECONDS = 5

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

_FIND = sa.select(alias_table).where(
    alias_table.c.address.in_(sa.bindparam("addresses", expanding=True)), alias_table.c.enabled
)
_RELAYED = sa.select(relayed_table.c.handoff, relayed_table.c.mailbox).where(
    relayed_table.c.handoff.in_(sa.bindparam("handoffs", expanding=True))
)
_RECORD = insert(relayed_table).prefix_with("IGNORE")


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


class Store:
    """Raises Unavailable whenever the database does not do its part."""

    def __init__(self, url: str, answer_seconds: float) -> None:
        self._answer_seconds = answer_seconds
        self.engine = create_async_engine(
            url,
            # Each statement is durable at once, without a round trip to say so.
            isolation_level="AUTOCOMMIT",
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=_CONNECT_SECONDS,
            # No ping before each use: what a dead connection breaks is its first statement, before
            # anything is sent, and with it go all others of the pool.
            pool_recycle=1800,
            pool_reset_on_return=None,
            connect_args={"connect_timeout": _CONNECT_SECONDS, "charset": "utf8mb4"},
        )
        self._finds = Rounds(self._find)
        self._questions = Rounds(self._relayed)
        self._records = Rounds(self._record)

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
        """The enabled aliases among some addresses."""
        return await self._finds.ask(addresses)

    async def _find(self, asked: Sequence[Sequence[str]]) -> list[dict[str, Alias]]:
        wanted = list({address for addresses in asked for address in addresses})
        known: dict[str, Alias] = {}
        async with self._connection() as connection:
            for start in range(0, len(wanted), 1000):
                some = {"addresses": wanted[start : start + 1000]}
                rows = await connection.execute(_FIND, some)
                known |= {row.address: _alias(row) for row in rows}
        return [{name: known[name] for name in names if name in known} for names in asked]

    async def relayed(self, handoff: bytes) -> set[str]:
        """Mailboxes that need nothing any more."""
        return await self._questions.ask(handoff)

    async def _relayed(self, handoffs: Sequence[bytes]) -> list[set[str]]:
        found: dict[bytes, set[str]] = {handoff: set() for handoff in handoffs}
        async with self._connection() as connection:
            for row in await connection.execute(_RELAYED, {"handoffs": list(found)}):
                found[row.handoff].add(row.mailbox)
        return [found[handoff] for handoff in handoffs]

    async def record(self, handoff: bytes, mailbox: str) -> None:
        """Durable when it returns."""
        await self._records.ask((handoff, mailbox))

    async def _record(self, relayed: Sequence[tuple[bytes, str]]) -> list[None]:
        now = utc_now()
        rows = [
            {"handoff": handoff, "mailbox": mailbox, "relayed_at": now}
            for handoff, mailbox in relayed
        ]
        async with self._connection() as connection:
            await connection.execute(_RECORD, rows)
        return [None] * len(rows)

    async def replace(self, aliases: Sequence[Alias]) -> None:
        """Make these the aliases, all at once."""
        rows = [
            {"address": a.address, "mailboxes": list(a.mailboxes), "enabled": a.enabled}
            for a in aliases
        ]
        isolated = self._connection("REPEATABLE READ")
        async with isolated as connection, connection.begin():
            await connection.execute(sa.delete(alias_table))
            if rows:
                await connection.execute(sa.insert(alias_table), rows)

    async def prune(self) -> int:
        """Forget what was relayed long ago; returns the number of rows."""
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
                # A database server that is stopped (SIGSTOP) keeps its connections open.
                async with asyncio.timeout(self._answer_seconds):
                    yield connection
        except (SQLAlchemyError, OSError, TimeoutError, RuntimeError) as error:
            raise Unavailable("database", type(error).__name__) from error


def _alias(row: sa.Row[Any]) -> Alias:
    return Alias(row.address, tuple(row.mailboxes), bool(row.enabled))
