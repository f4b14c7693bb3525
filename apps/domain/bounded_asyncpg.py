"""A pool of asyncpg's connections that does not wait for ever; for the variants whose driver is asyncpg."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from domain.patience import PATIENCE_S
from domain.problems import Unavailable
from domain.settings import Settings

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool = asyncpg.Pool[asyncpg.Record]  # generic in its type stubs alone
    Connection = PoolConnectionProxy[asyncpg.Record]
else:
    from asyncpg.pool import PoolConnectionProxy as Connection

    Pool = asyncpg.Pool

UNAVAILABLE = (
    Unavailable,
    ConnectionError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
"""What is raised where a service does not answer; the last two by a PostgreSQL that ends or begins."""


async def open_pool(settings: Settings) -> Pool | None:
    """Open a worker's database connections; None without a database. Whoever opens them closes them."""
    if settings.postgres_url is None:
        return None
    size = settings.db_pool_size
    return await asyncpg.create_pool(
        settings.postgres_url,
        min_size=size,
        max_size=size,
        reset=_keep_session,
        max_inactive_connection_lifetime=0,  # its default of five minutes would close what is to be kept
    )


async def _keep_session(_connection: object) -> None:
    """Replace asyncpg's reset query: the service changes nothing in a session that would need one."""


@asynccontextmanager
async def connected(pool: Pool) -> AsyncIterator[Connection]:
    """Hold a connection of the pool; raises TimeoutError where the server says nothing any more."""
    async with asyncio.timeout(PATIENCE_S), pool.acquire() as connection:
        try:
            yield connection
        except asyncio.CancelledError:
            connection.terminate()  # else its release would wait for the answer
            raise
