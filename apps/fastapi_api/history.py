"""A user's chats."""

from __future__ import annotations

from domain.bounded_asyncpg import connected
from domain.history import HISTORY, QUERY_NUMBERED, History, history_body
from domain.row_id import RowId
from fastapi import APIRouter

from fastapi_api.description import described
from fastapi_api.resources import Database

router = APIRouter()


@router.api_route("/api/ai/history/{user_id}", methods=["GET", "HEAD"], **described(HISTORY))
async def history(user_id: RowId, pool: Database) -> History:
    """Return a user's chats, the oldest first."""
    async with connected(pool) as connection:
        rows = await connection.fetch(QUERY_NUMBERED, user_id)
    return history_body(user_id, rows)  # the connection is another's by now: holding it here cost a fifth
