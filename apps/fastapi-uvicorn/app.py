"""The service on FastAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
from domain.ai_request import MAX_BODY_BYTES, Accepted, AIServiceRequest, accept
from domain.history import QUERY_NUMBERED, History, UserId, history_body
from domain.media_type import is_json
from domain.problems import broken_rules, problem
from domain.settings import Settings
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from typing_extensions import TypedDict


class State(TypedDict):
    """What the lifespan hands to every request."""

    pool: asyncpg.Pool[asyncpg.Record] | None


async def keep_session(_connection: object) -> None:
    """Replace asyncpg's reset query: the service changes nothing in a session that would need one."""


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
    """Hold the worker's connections open from before its first request until after its last."""
    settings = Settings.from_environment()
    if settings.postgres_url is None:
        yield {"pool": None}
        return
    size = settings.db_pool_size
    async with asyncpg.create_pool(
        settings.postgres_url, min_size=size, max_size=size, reset=keep_session
    ) as pool:
        yield {"pool": pool}


app = FastAPI(title="AI service", lifespan=lifespan, redirect_slashes=False)


def get_pool(request: Request) -> asyncpg.Pool[asyncpg.Record]:
    """Return the worker's pool."""
    pool: asyncpg.Pool[asyncpg.Record] | None = request.state.pool
    if pool is None:
        raise HTTPException(503)
    return pool


async def require_json(request: Request) -> None:
    """Refuse what is not declared as JSON, and the empty body, which FastAPI would take for null."""
    if not is_json(request.headers.get("content-type", "")):
        raise HTTPException(415)
    if not await request.body():
        raise HTTPException(400)


@app.api_route("/healthz", methods=["GET", "HEAD"])
async def healthz() -> dict[str, str]:
    """Tell that the worker serves."""
    return {"status": "ok"}


@app.api_route("/json", methods=["GET", "HEAD"])
async def hello() -> dict[str, str]:
    """Greet."""
    return {"message": "Hello, World!"}


@app.api_route("/api/ai/history/{user_id}", methods=["GET", "HEAD"])
async def history(
    user_id: UserId, pool: Annotated[asyncpg.Pool[asyncpg.Record], Depends(get_pool)]
) -> History:
    """Return a user's chats, the oldest first."""
    return history_body(user_id, await pool.fetch(QUERY_NUMBERED, user_id))


@app.post("/api/ai/generate", dependencies=[Depends(require_json)], max_body_size=MAX_BODY_BYTES)
async def generate(request: AIServiceRequest) -> Accepted:
    """Take a request for generated text on."""
    return accept(request)


@app.exception_handler(StarletteHTTPException)
async def http_error(_request: Request, error: StarletteHTTPException) -> JSONResponse:
    """Put an HTTP error into the shape of all errors."""
    return JSONResponse(problem(error.status_code), error.status_code, error.headers)


@app.exception_handler(RequestValidationError)
async def invalid_request(_request: Request, error: RequestValidationError) -> JSONResponse:
    """Tell broken JSON from broken rules."""
    errors = error.errors()
    if errors[0]["type"] == "json_invalid":
        return JSONResponse(problem(400), 400)
    return JSONResponse(problem(422, broken_rules(errors, skip=1)), 422)


@app.exception_handler(500)
async def server_error(_request: Request, _error: Exception) -> JSONResponse:
    """Keep the shape where the service itself fails; the server logs why."""
    return JSONResponse(problem(500), 500)
