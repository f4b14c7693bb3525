"""A database of our own on a server that is the user's; nothing else there is touched."""

from __future__ import annotations

import urllib.parse

import psycopg
from psycopg import sql

from harness.ground.errors import EnvironmentUnfit, UsageError
from harness.machine.custody.journal import Database, Journal, server_of
from harness.machine.services.postgres_database import (
    VARIABLE,
    PostgresService,
    connect,
    database_name,
    in_words,
)
from harness.machine.services.postgres_seeding import seed_database, warm_up


def borrow(url: str, journal: Journal, document_key: bytes | None = None) -> PostgresService:
    """Make the database `webdyno_<run>` on the user's server and seed it.

    Raises UsageError for an address that is none, EnvironmentUnfit where the server can't be used.
    """
    parts = _parse(url)
    database = database_name(journal.run)
    try:
        with connect(url) as connection:
            version = connection.info.parameter_status("server_version") or "unknown"
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone():
                raise EnvironmentUnfit(
                    f"the database {database} is there already",
                    where=server_of(url),
                    remedy="drop it where it is left over from a run",
                )
            journal.note(Database(database, server_of(url)))
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(
                    sql.Identifier(database)
                )
            )
        ours = urllib.parse.urlunsplit(parts._replace(path=f"/{database}"))
        try:
            with connect(ours) as connection:
                seed_database(connection, document_key)
                warm_up(connection)
        except BaseException:
            drop(url, database)
            raise
    except psycopg.Error as error:
        raise EnvironmentUnfit(
            f"the server can't be used: {in_words(error)}",
            where=f"{VARIABLE} ({server_of(url)})",
            remedy="it must answer and let this user create databases; or unset the variable",
        ) from error
    return PostgresService(
        url=ours,
        party=None,
        version=version.split()[0],
        origin="url",
        _owner=ours,
        _undo=lambda: drop(url, database),
    )


def drop(url: str, database: str) -> None:
    """Drop our database; where the server is gone the journal keeps its name for the next start."""
    try:
        with connect(url) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
            )
    except psycopg.Error:
        pass


def _parse(url: str) -> urllib.parse.SplitResult:
    parts = urllib.parse.urlsplit(url)
    try:
        good = parts.scheme in ("postgres", "postgresql") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UsageError(
            "is not the address of a PostgreSQL server",
            where=VARIABLE,
            remedy="write postgresql://user:password@127.0.0.1:5432/postgres",
        )
    return parts
