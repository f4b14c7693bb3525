"""A part of the service on Starlette."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypedDict

from domain.ai_request import MAX_BODY_BYTES, AIServiceRequest, accept
from domain.bounded_asyncpg import UNAVAILABLE, Pool, connected, open_pool
from domain.history import QUERY_NUMBERED, HistoryPath, history_body
from domain.media_type import is_json
from domain.problems import invalid, problem
from domain.settings import Settings
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


class State(TypedDict):
    """What the lifespan hands to every request."""

    pool: Pool | None


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[State]:
    """Hold the worker's database connections."""
    pool = await open_pool(Settings.from_environment())
    yield {"pool": pool}
    if pool is not None:
        await pool.close()


async def healthz(_request: Request) -> JSONResponse:
    """Tell that the worker serves."""
    return JSONResponse({"status": "ok"})


async def hello(_request: Request) -> JSONResponse:
    """Greet."""
    return JSONResponse({"message": "Hello, World!"})


async def history(request: Request) -> JSONResponse:
    """Return a user's chats, the oldest first."""
    pool: Pool | None = request.state.pool
    if pool is None:
        raise HTTPException(503)
    user_id = HistoryPath.model_validate(request.path_params).user_id
    async with connected(pool) as connection:
        rows = await connection.fetch(QUERY_NUMBERED, user_id)
    return JSONResponse(history_body(user_id, rows))


async def generate(request: Request) -> JSONResponse:
    """Take a request for generated text on."""
    return JSONResponse(accept(AIServiceRequest.model_validate(await json_body(request))))


async def json_body(request: Request) -> Any:  # noqa: ANN401 - any JSON
    """Return the request's JSON; the body's size is judged before its type."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413)
    if not is_json(request.headers.get("content-type", "")):
        raise HTTPException(415)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or nested deeper than the parser goes
        raise HTTPException(400) from error


async def http_error(_request: Request, error: Exception) -> JSONResponse:
    """Put an HTTP error into the shape of all errors."""
    assert isinstance(error, HTTPException)
    return JSONResponse(problem(error.status_code), error.status_code, error.headers)


async def invalid_request(_request: Request, error: Exception) -> JSONResponse:
    """Name the broken rules."""
    assert isinstance(error, ValidationError)
    return JSONResponse(invalid(error), 422)


async def unavailable(_request: Request, _error: Exception) -> JSONResponse:
    """Tell that the database does not answer."""
    return JSONResponse(problem(503), 503)


async def server_error(_request: Request, _error: Exception) -> JSONResponse:
    """Keep the shape where the service itself fails; the server logs why."""
    return JSONResponse(problem(500), 500)


app = Starlette(
    routes=[
        Route("/healthz", healthz),
        Route("/json", hello),
        Route("/api/ai/history/{user_id}", history),
        Route("/api/ai/generate", generate, methods=["POST"]),
    ],
    exception_handlers={
        HTTPException: http_error,
        ValidationError: invalid_request,
        **dict.fromkeys(UNAVAILABLE, unavailable),
        500: server_error,
    },
    lifespan=lifespan,
)
app.router.redirect_slashes = False
