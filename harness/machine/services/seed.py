"""The chats that every PostgreSQL is seeded with: the same rows on every machine and in every run.

`chat` and the SQL say the same thing twice, on purpose: a test compares all rows of one with the other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

USERS = 1_000
CHATS = 100_000
"""Every user has 100 of them, spread over the whole table as in a service that many use at once."""

SHORTEST, LONGEST = 40, 300
"""The length of a chat's content, in characters."""

CHECKSUM = "973132153ba6c5daa5e0d85c48649a24"
"""MD5 over all rows, as CHECKSUM_SQL makes it."""

_BEGINNING = datetime(2025, 1, 1, tzinfo=UTC)
_STEP_US = 300_000_123
"""About five minutes, with microseconds that are not all zero."""

TABLE_SQL = """\
CREATE TABLE ai_chat (
    id bigint PRIMARY KEY,
    user_id int NOT NULL,
    content text NOT NULL,
    create_time timestamptz NOT NULL
)"""

ROWS_SQL = f"""\
INSERT INTO ai_chat (id, user_id, content, create_time)
SELECT id, user_id, left(
        format('chat %s of user %s: ', id, user_id)
        || (SELECT string_agg(md5(id || '.' || part), ' ' ORDER BY part) FROM generate_series(1, 9) AS part),
        {SHORTEST} + (('x' || left(md5(id::text), 7))::bit(28)::int % {LONGEST - SHORTEST + 1})
    ),
    timestamptz '2025-01-01 00:00:00+00' + (id * {_STEP_US}::bigint) * interval '1 microsecond'
FROM (SELECT id, (id - 1) % {USERS} + 1 AS user_id FROM generate_series(1::bigint, {CHATS}) AS id) AS numbered
ORDER BY id"""  # noqa: S608 - numbers of ours alone

INDEX_SQL = "CREATE INDEX ai_chat_by_user ON ai_chat (user_id, create_time)"

CHECKSUM_SQL = """\
SELECT count(*), md5(string_agg(
    concat_ws('|', id, user_id, content,
        to_char(create_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')),
    E'\\n' ORDER BY id))
FROM ai_chat"""


@dataclass(frozen=True, slots=True)
class Chat:
    """One row of `ai_chat`."""

    id: int
    user_id: int
    content: str
    create_time: datetime


def chat(number: int) -> Chat:
    """Return the row with an id, from 1 to CHATS."""
    user = (number - 1) % USERS + 1
    words = " ".join(_md5(f"{number}.{part}") for part in range(1, 10))
    length = SHORTEST + int(_md5(str(number))[:7], 16) % (LONGEST - SHORTEST + 1)
    content = f"chat {number} of user {user}: {words}"[:length]
    return Chat(number, user, content, _BEGINNING + timedelta(microseconds=number * _STEP_US))


def chats_of(user: int) -> tuple[Chat, ...]:
    """Return a user's chats, the oldest first; none for a user outside of 1 to USERS."""
    if not 1 <= user <= USERS:
        return ()
    return tuple(chat(number) for number in range(user, CHATS + 1, USERS))


def checksum() -> str:
    """Return the MD5 over all rows as CHECKSUM_SQL makes it, from this module's own account of them."""
    rows = (chat(number) for number in range(1, CHATS + 1))
    lines = (
        f"{row.id}|{row.user_id}|{row.content}|{row.create_time.replace(tzinfo=None).isoformat(timespec='microseconds')}"
        for row in rows
    )
    return _md5("\n".join(lines))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
