"""A user's chats: the query, its parameter, and the body that its rows become."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from domain.description import Operation

_QUERY = "SELECT content, create_time FROM ai_chat WHERE user_id = {} ORDER BY create_time, id"

QUERY_NUMBERED = _QUERY.format("$1")
"""For drivers that number their parameters."""
QUERY_FORMAT = _QUERY.format("%s")
"""For drivers of the DB-API's `format` style; they send the same statement to the server."""

_DIGITS = re.compile(r"[0-9]{1,10}")


def _digits(value: Any) -> Any:  # noqa: ANN401 - pydantic hands over whatever it was given
    # int() and pydantic also take "+1", "1_0", " 1" and "1.0"; in a path those are other resources.
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise PydanticCustomError("int_parsing", "Input should be an integer of at most ten decimal digits")
    return value


UserId = Annotated[int, Field(ge=1, le=2**31 - 1), BeforeValidator(_digits)]
"""The id of a user: what fits PostgreSQL's `int` and is positive."""


class HistoryPath(BaseModel):
    """The parameters of the history's path, for frameworks that hand them over as text."""

    user_id: UserId


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
