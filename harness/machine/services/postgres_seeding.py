"""Bringing a database into the state that every run begins with."""

from __future__ import annotations

import secrets

import psycopg
from psycopg import sql

from harness.ground.errors import EnvironmentUnfit
from harness.machine.services import seed, seed_documents

ROLE = "webdyno"
"""The role that SUTs have on a server of our own: it may read rows and add documents, nothing else."""


def seed_database(connection: psycopg.Connection, document_key: bytes | None = None) -> None:
    """Make the tables with their rows and index, and see that the chats are what they should be.

    Without a key there are no documents. The connection is in autocommit, which VACUUM needs. Raises
    EnvironmentUnfit where the rows differ.
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
    for statement in seed_documents.TABLES_SQL:
        connection.execute(statement.encode())
    if document_key is not None:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(seed_documents.ROW_SQL, seed_documents.sealed_rows(document_key))
    connection.execute(seed_documents.ANALYZE_SQL)


def reset_documents(connection: psycopg.Connection) -> None:
    """Take away whatever a SUT added."""
    for statement in seed_documents.RESET_SQL:
        connection.execute(statement.encode())


def add_extensions(connection: psycopg.Connection, preloaded: tuple[str, ...]) -> None:
    """Add what the server ships: statement counters, and the warm-up of the table and its indexes."""
    for name in preloaded:
        connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name)))


def warm_up(connection: psycopg.Connection) -> bool:
    """Read the tables and their indexes into the server's memory; return whether pg_prewarm could do it.

    Without the extension, or the right to add it, the checksum's pass over all rows has to do.
    """
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
        connection.execute(
            "SELECT pg_prewarm(oid::regclass) FROM pg_class"
            " WHERE oid IN ('ai_chat'::regclass, 'ai_document'::regclass) OR oid IN (SELECT indexrelid"
            " FROM pg_index WHERE indrelid IN ('ai_chat'::regclass, 'ai_document'::regclass))"
        )
    except (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.FeatureNotSupported,
        psycopg.errors.UndefinedFile,
    ):
        return False
    return True


def add_reader(connection: psycopg.Connection, password: str | None = None) -> str:
    """Add the role that SUTs get and return its password, a new one where none is given."""
    password = password or secrets.token_urlsafe(24)
    connection.execute(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(password))
    )
    for rights in ("SELECT ON ai_chat", "SELECT, INSERT ON ai_document", "INSERT ON ai_document_event"):
        connection.execute(sql.SQL("GRANT " + rights + " TO {}").format(sql.Identifier(ROLE)))
    return password
