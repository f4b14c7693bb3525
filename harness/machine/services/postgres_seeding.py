"""Bringing a database into the state that every run begins with."""

from __future__ import annotations

import secrets

import psycopg
from psycopg import sql

from harness.ground.errors import EnvironmentUnfit
from harness.machine.services import seed

ROLE = "webdyno"
"""The role that SUTs have on a server of our own: it may read the rows, and nothing else."""


def seed_database(connection: psycopg.Connection) -> None:
    """Make the table with its rows and index, see that they are what they should be, and warm them up.

    The connection is in autocommit, which VACUUM needs. Raises EnvironmentUnfit where the rows differ.
    """
    connection.execute(seed.TABLE_SQL)
    connection.execute(seed.ROWS_SQL.encode())
    connection.execute(seed.INDEX_SQL)
    connection.execute("VACUUM (ANALYZE, FREEZE) ai_chat")
    found = connection.execute(seed.CHECKSUM_SQL).fetchone()
    if found != (seed.CHATS, seed.CHECKSUM):
        raise EnvironmentUnfit(
            f"the seeded rows differ from what they should be: {found}",
            remedy="is this a PostgreSQL of another kind? use the pinned one (unset WEBDYNO_POSTGRES_URL)",
        )


def add_extensions(connection: psycopg.Connection, preloaded: tuple[str, ...]) -> None:
    """Add what the server ships: statement counters, and the warm-up of the table and its indexes."""
    for name in preloaded:
        connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name)))


def warm_up(connection: psycopg.Connection) -> bool:
    """Read the table and its indexes into the server's memory; return whether pg_prewarm could do it.

    Without the extension, or the right to add it, the checksum's pass over all rows has to do.
    """
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
        connection.execute(
            "SELECT pg_prewarm(oid::regclass) FROM pg_class"
            " WHERE oid = 'ai_chat'::regclass"
            " OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'ai_chat'::regclass)"
        )
    except (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.FeatureNotSupported,
        psycopg.errors.UndefinedFile,
    ):
        return False
    return True


def add_reader(connection: psycopg.Connection) -> str:
    """Add the role that SUTs get and return its password."""
    password = secrets.token_urlsafe(24)
    connection.execute(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(password))
    )
    connection.execute(sql.SQL("GRANT SELECT ON ai_chat TO {}").format(sql.Identifier(ROLE)))
    return password
