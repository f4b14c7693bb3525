"""Brings the database of `docker-compose.yml` into the state that every run begins with, once."""

from __future__ import annotations

import os

import psycopg

from harness.machine.services.postgres_seeding import add_reader, seed_database, warm_up


def main() -> None:
    """Seed the database of `DATABASE_URL`; what is seeded already stays as it is."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        if connection.execute("SELECT to_regclass('ai_document_event')").fetchone() != (None,):
            return
        seed_database(connection, bytes.fromhex(os.environ["WEBDYNO_DOCUMENT_KEY"]))
        warm_up(connection)
        add_reader(connection, os.environ["READER_PASSWORD"])


if __name__ == "__main__":
    main()
