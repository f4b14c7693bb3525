from __future__ import annotations

import pytest

from harness.ground.redaction import redact
from harness.machine.services import seed


def test_the_first_row_is_what_it_always_was() -> None:
    """Rows never change between versions: results would no longer compare."""
    first = seed.chat(1)
    assert first.content.startswith("chat 1 of user 1: 777d45bbbcdf50d49c42c70ad7acf5fe 5676547268")
    assert len(first.content) == 177
    assert first.create_time.isoformat() == "2025-01-01T00:05:00.000123+00:00"


def test_all_rows_have_the_checksum() -> None:
    """The checksum that is compared with the server's is that of this module's own rows."""
    assert seed.checksum() == seed.CHECKSUM


def test_users_have_a_hundred_chats_each() -> None:
    """Every user's chats are theirs, in the order of time; nobody else has any."""
    chats = seed.chats_of(37)
    assert len(chats) == seed.CHATS // seed.USERS
    assert {chat.user_id for chat in chats} == {37}
    assert [chat.create_time for chat in chats] == sorted(chat.create_time for chat in chats)
    assert all(seed.SHORTEST <= len(chat.content) <= seed.LONGEST for chat in chats)
    assert seed.chats_of(0) == seed.chats_of(1001) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://me:hush@host:5/db", "postgresql://me:***@host:5/db"),
        ("at redis://:hush@host/0, and", "at redis://:***@host/0, and"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql://me:p@ss:w@host/db", "postgresql://me:***@host/db"),
        ("host=x password=hush user=me", "host=x password=*** user=me"),
        ("host=x password='hu sh' user=me", "host=x password=*** user=me"),
        ("http://h/?token=abc&x=1", "http://h/?token=***&x=1"),
        ("nothing at 12:30 secret", "nothing at 12:30 secret"),
        ("WEBDYNO_JWT_KEY=hush and", "WEBDYNO_JWT_KEY=*** and"),
        ("Bearer eyJhbGciOi.eyJzdWIi.c2ln-_x, or", "Bearer ***, or"),
    ],
)
def test_credentials_are_taken_out(text: str, expected: str) -> None:
    """Passwords in URLs and parameters are replaced, and the rest stays as it is."""
    assert redact(text) == expected
