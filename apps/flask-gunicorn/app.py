"""The service on Flask."""

from __future__ import annotations

import atexit

from domain.ai_request import MAX_BODY_BYTES, Accepted, AIServiceRequest, accept
from domain.history import QUERY_FORMAT, History, HistoryPath, history_body
from domain.problems import Problem, broken_rules, problem
from domain.settings import Settings
from flask import Blueprint, Flask, Response, current_app, json, request
from psycopg_pool import ConnectionPool
from pydantic import ValidationError
from werkzeug.exceptions import BadRequest, HTTPException, ServiceUnavailable

api = Blueprint("api", __name__)


@api.get("/healthz")
def healthz() -> dict[str, str]:
    """Tell that the worker serves."""
    return {"status": "ok"}


@api.get("/json")
def hello() -> dict[str, str]:
    """Greet."""
    return {"message": "Hello, World!"}


@api.get("/api/ai/history/<user_id>")
def history(user_id: str) -> History:
    """Return a user's chats, the oldest first."""
    pool = get_pool()
    user = HistoryPath.model_validate({"user_id": user_id}).user_id
    with pool.connection() as connection:
        rows = connection.execute(QUERY_FORMAT, (user,)).fetchall()
    return history_body(user, rows)


@api.post("/api/ai/generate")
def generate() -> Accepted:
    """Take a request for generated text on."""
    request.get_data()  # the body's size is judged before its type
    try:
        body = request.get_json()
    except RecursionError as error:  # nested deeper than the parser goes
        raise BadRequest from error
    return accept(AIServiceRequest.model_validate(body))


@api.app_errorhandler(HTTPException)
def http_error(error: HTTPException) -> Response:
    """Put an HTTP error into the shape of all errors."""
    response = Response(headers=error.get_headers(), status=error.code)
    response.data = json.dumps(problem(response.status_code))
    response.content_type = "application/json"
    return response


@api.app_errorhandler(ValidationError)
def invalid_request(error: ValidationError) -> tuple[Problem, int]:
    """Name the broken rules."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    return problem(422, broken_rules(errors)), 422


def get_pool() -> ConnectionPool:
    """Return the worker's pool."""
    pool: ConnectionPool | None = current_app.extensions["psycopg_pool"]
    if pool is None:
        raise ServiceUnavailable
    return pool


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


def create_app() -> Flask:
    """Make the application; Gunicorn calls it in each worker, after the fork."""
    app = Flask(__name__, static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY_BYTES, PROVIDE_AUTOMATIC_OPTIONS=False)
    app.url_map.merge_slashes = False
    app.extensions["psycopg_pool"] = open_pool(Settings.from_environment())
    app.register_blueprint(api)
    return app
