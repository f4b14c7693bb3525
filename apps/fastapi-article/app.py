"""The article's own code (section 2.1.3), as far as the contract lets it be.

A pool of ten connections is opened and closed for each request: a dependency that yields lives as long as
one request. The body is made in a thread. What the contract asks for and the article leaves out is the order
of the chats, the parameter's rules, and the shape of errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import asyncpg
from domain.basics import HEALTHZ, HELLO
from domain.history import HISTORY, QUERY_NUMBERED, History, history_body
from domain.row_id import RowId
from domain.settings import Settings
from fastapi import Depends, HTTPException
from fastapi_api import failures, generate
from fastapi_api.application import healthz, hello
from fastapi_api.description import Described, described

app = Described(redirect_slashes=False)
failures.add_handlers(app)


async def get_db_pool() -> AsyncIterator[asyncpg.Pool]:
    """Open a pool for the request, and close it after it."""
    url = Settings.from_environment().postgres_url
    if url is None:
        raise HTTPException(503)
    pool = await asyncpg.create_pool(url)
    yield pool
    await pool.close()


@app.api_route("/api/ai/history/{user_id}", methods=["GET", "HEAD"], **described(HISTORY))
async def history(user_id: RowId, pool: Annotated[asyncpg.Pool, Depends(get_db_pool)]) -> History:
    """Return a user's chats, the oldest first."""
    async with pool.acquire() as connection:
        rows = await connection.fetch(QUERY_NUMBERED, user_id)
    return await asyncio.to_thread(history_body, user_id, rows)


app.add_api_route("/healthz", healthz, methods=["GET", "HEAD"], **described(HEALTHZ))
app.add_api_route("/json", hello, methods=["GET", "HEAD"], **described(HELLO))
app.include_router(generate.router)
