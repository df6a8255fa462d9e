"""Migration of the database schema, run when the service starts."""

import asyncio
import logging
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

logger = logging.getLogger("email_api")

_RETRY_SECONDS = 2
_LOCK = "email-api schema"


def migrate(url: str) -> None:
    """Bring the schema up to date. Waits for the database without a time limit."""
    asyncio.run(_migrate(url))


async def _migrate(url: str) -> None:
    while True:
        try:
            await _upgrade(url)
        except (SQLAlchemyError, OSError) as error:
            logger.warning("waiting for the database: %s", type(error).__name__)
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return


async def _upgrade(url: str) -> None:
    engine = create_async_engine(url, connect_args={"connect_timeout": _RETRY_SECONDS})
    try:
        async with engine.begin() as connection:
            # MariaDB commits after each DDL statement, so only one process may migrate at a time.
            await connection.execute(sa.select(sa.func.get_lock(_LOCK, 60)))
            await connection.run_sync(_run_alembic)
            await connection.execute(sa.select(sa.func.release_lock(_LOCK)))
    finally:
        await engine.dispose()


def _run_alembic(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
