"""The schema of the database, brought up to date when the service starts."""

import asyncio
import logging
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

logger = logging.getLogger("email_api")

_PAUSE_SECONDS = 2
_LOCK = "email-api schema"


def migrate(url: str) -> None:
    """Waits for the database as long as it takes."""
    asyncio.run(_migrate(url))


async def _migrate(url: str) -> None:
    while True:
        try:
            await _upgrade(url)
        except (SQLAlchemyError, OSError) as error:
            logger.warning("waiting for the database: %s", type(error).__name__)
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return


async def _upgrade(url: str) -> None:
    engine = create_async_engine(url, connect_args={"connect_timeout": _PAUSE_SECONDS})
    try:
        async with engine.begin() as connection:
            # MariaDB commits with each change of the schema: only one process may do them.
            await connection.execute(sa.select(sa.func.get_lock(_LOCK, 60)))
            await connection.run_sync(_run)
            await connection.execute(sa.select(sa.func.release_lock(_LOCK)))
    finally:
        await engine.dispose()


def _run(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
