"""What a worker holds open from before its first request until after its last, and who may have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import asyncpg
from domain.settings import Settings
from fastapi import Depends, FastAPI, HTTPException, Request
from typing_extensions import TypedDict

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]  # generic in its type stubs alone
else:
    Pool = asyncpg.Pool


class State(TypedDict):
    """What the lifespan hands to every request; None where the service was started without it."""

    pool: Pool | None


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
    """Open what the settings name."""
    settings = Settings.from_environment()
    async with AsyncExitStack() as stack:
        yield {"pool": await open_pool(stack, settings)}


async def keep_session(_connection: object) -> None:
    """Replace asyncpg's reset query: the service changes nothing in a session that would need one."""


async def open_pool(stack: AsyncExitStack, settings: Settings) -> Pool | None:
    """Open the worker's database connections; None without a database."""
    if settings.postgres_url is None:
        return None
    size = settings.db_pool_size
    return await stack.enter_async_context(
        asyncpg.create_pool(settings.postgres_url, min_size=size, max_size=size, reset=keep_session)
    )


def get_pool(request: Request) -> Pool:
    """Return the worker's pool."""
    pool: Pool | None = request.state.pool
    if pool is None:
        raise HTTPException(503)
    return pool


Database = Annotated[Pool, Depends(get_pool)]
