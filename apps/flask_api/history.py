"""A user's chats."""

from __future__ import annotations

from domain.description import described
from domain.history import HISTORY, QUERY_FORMAT, History, HistoryPath, history_body
from flask import Blueprint

from flask_api.resources import get_pool

routes = Blueprint("history", __name__)


@routes.get("/api/ai/history/<user_id>")
@described(HISTORY)
def history(user_id: str) -> History:
    """Return a user's chats, the oldest first."""
    pool = get_pool()
    user = HistoryPath.model_validate({"user_id": user_id}).user_id
    with pool.connection() as connection:
        rows = connection.execute(QUERY_FORMAT, (user,)).fetchall()
    return history_body(user, rows)
