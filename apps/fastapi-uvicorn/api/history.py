"""A user's chats."""

from __future__ import annotations

from domain.history import HISTORY, QUERY_NUMBERED, History, UserId, history_body
from fastapi import APIRouter

from api.description import described
from api.resources import Database

router = APIRouter()


@router.api_route("/api/ai/history/{user_id}", methods=["GET", "HEAD"], **described(HISTORY))
async def history(user_id: UserId, pool: Database) -> History:
    """Return a user's chats, the oldest first."""
    return history_body(user_id, await pool.fetch(QUERY_NUMBERED, user_id))
