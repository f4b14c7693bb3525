"""A part of the service on Sanic, with the server that it brings."""

from __future__ import annotations

import argparse
from types import SimpleNamespace

from domain.ai_request import MAX_BODY_BYTES, AIServiceRequest, accept
from domain.bounded_asyncpg import UNAVAILABLE, Pool, connected, open_pool
from domain.history import QUERY_NUMBERED, HistoryPath, history_body
from domain.media_type import is_json
from domain.problems import invalid, problem
from domain.settings import Settings
from pydantic import ValidationError
from sanic import HTTPResponse, Request, Sanic, json
from sanic.config import Config
from sanic.exceptions import BadRequest, PayloadTooLarge, SanicException, ServiceUnavailable

App = Sanic[Config, SimpleNamespace]

app = Sanic("service", strict_slashes=True)


@app.before_server_start
async def open_database(app: App) -> None:
    """Open the worker's database connections."""
    app.ctx.pool = await open_pool(Settings.from_environment())


@app.after_server_stop
async def close_database(app: App) -> None:
    """Close them."""
    if app.ctx.pool is not None:
        await app.ctx.pool.close()


@app.route("/healthz", methods=["GET", "HEAD"])
async def healthz(_request: Request) -> HTTPResponse:
    """Tell that the worker serves."""
    return json({"status": "ok"})


@app.route("/json", methods=["GET", "HEAD"])
async def hello(_request: Request) -> HTTPResponse:
    """Greet."""
    return json({"message": "Hello, World!"})


@app.route("/api/ai/history/<user_id>", methods=["GET", "HEAD"], unquote=True)
async def history(request: Request, user_id: str) -> HTTPResponse:
    """Return a user's chats, the oldest first."""
    pool: Pool | None = request.app.ctx.pool
    if pool is None:
        raise ServiceUnavailable
    user = HistoryPath.model_validate({"user_id": user_id}).user_id
    async with connected(pool) as connection:
        rows = await connection.fetch(QUERY_NUMBERED, user)
    return json(history_body(user, rows))


@app.post("/api/ai/generate")
async def generate(request: Request) -> HTTPResponse:
    """Take a request for generated text on."""
    if len(request.body) > MAX_BODY_BYTES:  # `REQUEST_MAX_SIZE` refuses it unread, and hangs up then
        raise PayloadTooLarge
    if not is_json(request.headers.get("content-type", "")):
        raise SanicException(status_code=415)
    if not request.body:
        raise BadRequest
    return json(accept(AIServiceRequest.model_validate(request.json)))


@app.exception(SanicException)
async def http_error(_request: Request, error: SanicException) -> HTTPResponse:
    """Put an HTTP error into the shape of all errors."""
    return json(problem(error.status_code), error.status_code, error.headers)


@app.exception(ValidationError)
async def invalid_request(_request: Request, error: ValidationError) -> HTTPResponse:
    """Name the broken rules."""
    return json(invalid(error), 422)


@app.exception(*UNAVAILABLE)
async def unavailable(_request: Request, _error: Exception) -> HTTPResponse:
    """Tell that the database does not answer."""
    return json(problem(503), 503)


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--backlog", type=int, default=100)
    parser.add_argument("--keep_alive_s", type=int, default=120)
    given = parser.parse_args()
    app.config.KEEP_ALIVE_TIMEOUT = given.keep_alive_s
    app.run(
        given.host,
        given.port,
        workers=given.workers,
        backlog=given.backlog,
        access_log=False,
        motd=False,
    )


if __name__ == "__main__":
    main()
