"""The service on Flask: one module for each of its systems, put together here."""

from __future__ import annotations

from domain.ai_request import MAX_BODY_BYTES
from domain.basics import HEALTHZ, HELLO
from domain.description import described
from domain.patience import POOL_PATIENCE_S
from domain.settings import Settings
from flask import Blueprint, Flask

from flask_api import (
    classify,
    description,
    documents,
    failures,
    generate,
    history,
    limit,
    metrics,
    resources,
    text,
    token,
)

basics = Blueprint("basics", __name__)


@basics.get("/healthz")
@described(HEALTHZ)
def healthz() -> dict[str, str]:
    """Tell that the worker serves."""
    return {"status": "ok"}


@basics.get("/json")
@described(HELLO)
def hello() -> dict[str, str]:
    """Greet."""
    return {"message": "Hello, World!"}


def create_app(*, pool_patience_s: float = POOL_PATIENCE_S) -> Flask:
    """Make the application and open what it needs; a server does so in each worker.

    A connection of the pool is waited for that long: for none where there are as many as requests at once.
    """
    app = Flask(__name__, static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY_BYTES, PROVIDE_AUTOMATIC_OPTIONS=False)
    app.url_map.merge_slashes = False
    settings = Settings.from_environment()
    resources.open_all(app, settings, pool_patience_s)
    failures.add_handlers(app)
    app.register_blueprint(basics)
    for system in (history, generate, token, text, classify, documents, description):
        app.register_blueprint(system.routes)
    if settings.rate_limit is not None:
        limit.add_limit(app, settings)
    if settings.metrics:
        metrics.add_metrics(app)
    return app
