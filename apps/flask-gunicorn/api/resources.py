"""What a worker holds open from before its first request until its end, and who may have it."""

from __future__ import annotations

import atexit

from domain.settings import Settings
from flask import Flask, current_app
from psycopg_pool import ConnectionPool
from werkzeug.exceptions import ServiceUnavailable


def open_all(app: Flask, settings: Settings) -> None:
    """Open what the settings name."""
    app.extensions["psycopg_pool"] = open_pool(settings)


def open_pool(settings: Settings) -> ConnectionPool | None:
    """Open the worker's connections and wait for all of them; None without a database."""
    if settings.postgres_url is None:
        return None
    pool = ConnectionPool(
        settings.postgres_url,
        min_size=settings.db_pool_size,
        max_size=settings.db_pool_size,
        open=True,
        kwargs={"autocommit": True, "prepare_threshold": 0, "options": "-c TimeZone=UTC"},
    )
    pool.wait()
    atexit.register(pool.close)
    return pool


def get_pool() -> ConnectionPool:
    """Return the worker's pool."""
    pool: ConnectionPool | None = current_app.extensions["psycopg_pool"]
    if pool is None:
        raise ServiceUnavailable
    return pool
