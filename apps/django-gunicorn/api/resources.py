"""What a worker holds open from before its first request until its end."""

from __future__ import annotations

import atexit
from typing import Any

from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from domain.settings import Settings
from psycopg.conninfo import conninfo_to_dict

from api.answers import Refused


def databases(settings: Settings) -> dict[str, Any]:
    """Return Django's DATABASES; none without a database."""
    if settings.postgres_url is None:
        return {}
    given = conninfo_to_dict(settings.postgres_url)
    default = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": given.pop("dbname", ""),
        "OPTIONS": {
            **given,
            "pool": {"min_size": settings.db_pool_size, "max_size": settings.db_pool_size},
            "server_side_binding": True,  # without it the client writes the parameters into the text
            "prepare_threshold": 0,
        },
    }
    return {"default": default}


def open_all() -> None:
    """Open the worker's connections and wait for all of them; Django alone would open them on first use."""
    database = connections["default"]
    if isinstance(database, DatabaseWrapper):  # not so where the service was started without a database
        database.pool.open(wait=True)
        atexit.register(database.close_pool)


def require_database() -> None:
    """Refuse the request where the service was started without a database."""
    if not isinstance(connections["default"], DatabaseWrapper):
        raise Refused(503)
