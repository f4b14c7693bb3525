"""A user's chats: the query, its parameter, and the body that its rows become."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from typing_extensions import TypedDict

from domain.description import Operation
from domain.row_id import RowId

_QUERY = "SELECT content, create_time FROM ai_chat WHERE user_id = {} ORDER BY create_time, id"

QUERY_NUMBERED = _QUERY.format("$1")
"""For drivers that number their parameters."""
QUERY_FORMAT = _QUERY.format("%s")
"""For drivers of the DB-API's `format` style; they send the same statement to the server."""


class HistoryPath(BaseModel):
    """The parameters of the history's path, for frameworks that hand them over as text."""

    user_id: RowId


class Chat(TypedDict):
    """One entry of a history."""

    content: str
    time: str
    """ISO 8601 in UTC with microseconds, such as `2025-01-31T08:00:00.000000+00:00`."""


class History(TypedDict):
    """A user's chats, the oldest first."""

    user_id: int
    history: list[Chat]


def history_body(user_id: int, rows: Iterable[Iterable[Any]]) -> History:
    """Return the answer for rows of content and aware UTC time, in whatever record type a driver has."""
    return {
        "user_id": user_id,
        "history": [
            {"content": content, "time": time.isoformat(timespec="microseconds")} for content, time in rows
        ],
    }


HISTORY = Operation(
    "history",
    "Return a user's chats, the oldest first",
    answers=History,
    path=HistoryPath,
    refusals=(422, 503),
)
