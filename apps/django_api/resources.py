"""What a worker holds open from before its first request until its end."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from domain.bounded_psycopg import BoundedConnection
from domain.classifier import Classifier, open_classifier
from domain.documents import Vault
from domain.patience import CONNECT_PATIENCE_S, POOL_PATIENCE_S
from domain.settings import Settings
from domain.tokens import Issuer
from psycopg.conninfo import conninfo_to_dict

from django_api.answers import Refused

if TYPE_CHECKING:
    from domain.limiting import Limiter
    from domain.writing import Writer


class _Open:
    """What is open besides the database, which Django itself holds; None where it was not given."""

    vault: Vault | None = None
    classifier: Classifier | None = None
    issuer: Issuer | None = None
    writer: Writer | None = None
    limiter: Limiter | None = None


def databases(settings: Settings, pool_patience_s: float = POOL_PATIENCE_S) -> dict[str, Any]:
    """Return Django's DATABASES; none without a database."""
    if settings.postgres_url is None:
        return {}
    given = conninfo_to_dict(settings.postgres_url)
    default = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": given.pop("dbname", ""),
        "OPTIONS": {
            **given,
            "connect_timeout": CONNECT_PATIENCE_S,
            "pool": {
                "min_size": settings.db_pool_size,
                "max_size": settings.db_pool_size,
                "timeout": pool_patience_s,
                "reconnect_timeout": 0,  # whoever needs a connection has one made; the pool's own get rarer
                "connection_class": BoundedConnection,
            },
            "server_side_binding": True,  # without it the client writes the parameters into the text
            "prepare_threshold": 0,
        },
    }
    return {"default": default}


def open_all(settings: Settings) -> None:
    """Open what the settings name.

    The database's connections are waited for; Django alone would open them on first use.
    """
    database = connections["default"]
    if isinstance(database, DatabaseWrapper):  # not so where the service was started without a database
        database.pool.open(wait=True)
        atexit.register(database.close_pool)
    _Open.vault = None if settings.document_key is None else Vault(settings.document_key)
    _Open.classifier = open_classifier(settings.classifier)
    _Open.issuer = Issuer.of(settings)
    _Open.writer = open_writer(settings)
    _Open.limiter = open_limiter(settings)


def open_writer(settings: Settings) -> Writer | None:
    """Open what writes texts; None without a cache or a language model."""
    if settings.valkey_url is None or settings.llm_url is None or settings.llm_key is None:
        return None
    from domain.writing import Writer  # late: a worker without it is spared its memory

    writer = Writer(settings.valkey_url, settings.llm_url, settings.llm_key)
    atexit.register(writer.close)
    return writer


def open_limiter(settings: Settings) -> Limiter | None:
    """Open what counts requests; None without a limit."""
    if settings.rate_limit is None or settings.valkey_url is None:
        return None
    from domain.limiting import Limiter  # late: a worker without it is spared its memory

    return Limiter(settings.rate_limit, settings.valkey_url)


def require_database() -> None:
    """Refuse the request where the service was started without a database."""
    if not isinstance(connections["default"], DatabaseWrapper):
        raise Refused(503)


def get_vault() -> Vault:
    """Return what seals documents; refuse the request where the service was started without a key."""
    if _Open.vault is None:
        raise Refused(503)
    return _Open.vault


def get_classifier() -> Classifier:
    """Return the worker's classifier."""
    if _Open.classifier is None:
        raise Refused(503)
    return _Open.classifier


def get_issuer() -> Issuer:
    """Return what issues tokens."""
    if _Open.issuer is None:
        raise Refused(503)
    return _Open.issuer


def get_writer() -> Writer:
    """Return what writes texts."""
    if _Open.writer is None:
        raise Refused(503)
    return _Open.writer


def get_limiter() -> Limiter:
    """Return what counts requests; there is one where views are limited."""
    assert _Open.limiter is not None, "both follow from the same setting"
    return _Open.limiter
