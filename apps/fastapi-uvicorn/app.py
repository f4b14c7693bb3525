"""The service on FastAPI."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import asyncpg
from domain.ai_request import MAX_BODY_BYTES, Accepted, AIServiceRequest, accept
from domain.history import QUERY_NUMBERED, History, UserId, history_body
from domain.media_type import is_json
from domain.problems import broken_rules, problem
from domain.settings import Settings
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as StarletteHTTPException
from typing_extensions import TypedDict

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]  # generic in its type stubs alone
else:
    Pool = asyncpg.Pool


class State(TypedDict):
    """What the lifespan hands to every request."""

    pool: Pool | None


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


class BoundedRequest(Request):
    """A request that refuses to read more than the contract's bound."""

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body's pieces up to the bound."""
        size = 0
        async for piece in super().stream():
            size += len(piece)
            if size > MAX_BODY_BYTES:
                raise HTTPException(413)
            yield piece


class BoundedRoute(APIRoute):
    """A route with a bounded body; FastAPI's own `max_body_size` would answer in a shape of its own."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler on a bounded request."""
        handle = super().get_route_handler()

        async def handle_bounded(request: Request) -> Response:
            return await handle(BoundedRequest(request.scope, request.receive))

        return handle_bounded


app = FastAPI(title="AI service", lifespan=lifespan, redirect_slashes=False)
with_body = APIRouter(route_class=BoundedRoute)


def get_pool(request: Request) -> Pool:
    """Return the worker's pool."""
    pool: Pool | None = request.state.pool
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
async def history(user_id: UserId, pool: Annotated[Pool, Depends(get_pool)]) -> History:
    """Return a user's chats, the oldest first."""
    return history_body(user_id, await pool.fetch(QUERY_NUMBERED, user_id))


@with_body.post("/api/ai/generate", dependencies=[Depends(require_json)])
async def generate(request: AIServiceRequest) -> Accepted:
    """Take a request for generated text on."""
    return accept(request)


app.include_router(with_body)


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
