"""What a worker holds open from before its first request until its end, and who may have it."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

from domain.bounded_psycopg import BoundedConnection
from domain.classifier import Classifier, open_classifier
from domain.documents import Vault
from domain.patience import CONNECT_PATIENCE_S
from domain.settings import Settings
from domain.tokens import Issuer
from flask import Flask, current_app
from psycopg_pool import ConnectionPool
from werkzeug.exceptions import ServiceUnavailable

if TYPE_CHECKING:
    from domain.writing import Writer


def open_all(app: Flask, settings: Settings, pool_patience_s: float) -> None:
    """Open what the settings name."""
    app.extensions["psycopg_pool"] = open_pool(settings, pool_patience_s)
    app.extensions["vault"] = open_vault(settings)
    app.extensions["classifier"] = open_classifier(settings.classifier)
    app.extensions["issuer"] = Issuer.of(settings)
    app.extensions["writer"] = open_writer(settings)


def open_pool(settings: Settings, patience_s: float) -> ConnectionPool[BoundedConnection] | None:
    """Open the worker's connections and wait for all of them; None without a database."""
    if settings.postgres_url is None:
        return None
    pool = ConnectionPool(
        settings.postgres_url,
        min_size=settings.db_pool_size,
        max_size=settings.db_pool_size,
        open=True,
        timeout=patience_s,
        reconnect_timeout=0,  # whoever needs a connection has one made; the pool's own attempts get rarer
        connection_class=BoundedConnection,
        kwargs={
            "autocommit": True,
            "connect_timeout": CONNECT_PATIENCE_S,
            "prepare_threshold": 0,
            "options": "-c TimeZone=UTC",
        },
    )
    pool.wait()
    atexit.register(pool.close)
    return pool


def open_vault(settings: Settings) -> Vault | None:
    """Return what seals documents; None without a key."""
    return None if settings.document_key is None else Vault(settings.document_key)


def open_writer(settings: Settings) -> Writer | None:
    """Open what writes texts; None without a cache or a language model."""
    if settings.valkey_url is None or settings.llm_url is None or settings.llm_key is None:
        return None
    from domain.writing import Writer  # late: a worker without it is spared its memory

    writer = Writer(settings.valkey_url, settings.llm_url, settings.llm_key)
    atexit.register(writer.close)
    return writer


def get_pool() -> ConnectionPool[BoundedConnection]:
    """Return the worker's pool."""
    pool: ConnectionPool[BoundedConnection] | None = current_app.extensions["psycopg_pool"]
    if pool is None:
        raise ServiceUnavailable
    return pool


def get_vault() -> Vault:
    """Return what seals documents."""
    vault: Vault | None = current_app.extensions["vault"]
    if vault is None:
        raise ServiceUnavailable
    return vault


def get_classifier() -> Classifier:
    """Return the worker's classifier."""
    classifier: Classifier | None = current_app.extensions["classifier"]
    if classifier is None:
        raise ServiceUnavailable
    return classifier


def get_issuer() -> Issuer:
    """Return what issues tokens."""
    issuer: Issuer | None = current_app.extensions["issuer"]
    if issuer is None:
        raise ServiceUnavailable
    return issuer


def get_writer() -> Writer:
    """Return what writes texts."""
    writer: Writer | None = current_app.extensions["writer"]
    if writer is None:
        raise ServiceUnavailable
    return writer
