"""A part of the service on Quart."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from domain.ai_request import MAX_BODY_BYTES, Accepted, AIServiceRequest, accept
from domain.bounded_asyncpg import UNAVAILABLE, Pool, connected, open_pool
from domain.history import QUERY_NUMBERED, History, HistoryPath, history_body
from domain.problems import Problem, invalid, problem
from domain.settings import Settings
from pydantic import ValidationError
from quart import Quart, Response, abort, json, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest, HTTPException

app = Quart(__name__, static_folder=None)
app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
app.url_map.merge_slashes = False


@app.while_serving
async def database() -> AsyncGenerator[None, None]:
    """Hold the worker's database connections."""
    pool = app.extensions["asyncpg"] = await open_pool(Settings.from_environment())
    yield
    if pool is not None:
        await pool.close()


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Tell that the worker serves."""
    return {"status": "ok"}


@app.get("/json")
async def hello() -> dict[str, str]:
    """Greet."""
    return {"message": "Hello, World!"}


@app.get("/api/ai/history/<user_id>")
async def history(user_id: str) -> History:
    """Return a user's chats, the oldest first."""
    pool: Pool | None = app.extensions["asyncpg"]
    if pool is None:
        abort(503)
    user = HistoryPath.model_validate({"user_id": user_id}).user_id
    async with connected(pool) as connection:
        rows = await connection.fetch(QUERY_NUMBERED, user)
    return history_body(user, rows)


@app.post("/api/ai/generate")
async def generate() -> Accepted:
    """Take a request for generated text on."""
    return accept(AIServiceRequest.model_validate(await json_body()))


async def json_body() -> Any:  # noqa: ANN401 - any JSON
    """Return the request's JSON; the body's size is judged before its type."""
    body = b""
    async for piece in request.body:
        body += piece
        if len(body) > MAX_BODY_BYTES:  # `MAX_CONTENT_LENGTH` refuses it unread, and Hypercorn hangs up then
            abort(413)
    if not request.is_json:
        abort(415)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or nested deeper than the parser goes
        raise BadRequest from error


@app.errorhandler(HTTPException)
async def http_error(error: HTTPException) -> Response:
    """Put an HTTP error into the shape of all errors."""
    answer = Response(status=error.code, headers=Headers(error.get_headers()))
    answer.set_data(json.dumps(problem(answer.status_code)))
    answer.content_type = "application/json"
    return answer


@app.errorhandler(ValidationError)
async def invalid_request(error: ValidationError) -> tuple[Problem, int]:
    """Name the broken rules."""
    return invalid(error), 422


async def unavailable(_error: Exception) -> tuple[Problem, int]:
    """Tell that the database does not answer."""
    return problem(503), 503


for lost in UNAVAILABLE:
    app.register_error_handler(lost, unavailable)
