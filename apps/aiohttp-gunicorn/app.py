"""A part of the service on aiohttp."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from domain.ai_request import MAX_BODY_BYTES, AIServiceRequest, accept
from domain.bounded_asyncpg import UNAVAILABLE, Pool, connected, open_pool
from domain.history import QUERY_NUMBERED, HistoryPath, history_body
from domain.media_type import is_json
from domain.problems import invalid, problem
from domain.settings import Settings
from pydantic import ValidationError

POOL: web.AppKey[Pool | None] = web.AppKey("POOL")
routes = web.RouteTableDef()


async def database(app: web.Application) -> AsyncIterator[None]:
    """Hold the worker's database connections."""
    pool = app[POOL] = await open_pool(Settings.from_environment())
    yield
    if pool is not None:
        await pool.close()


@routes.get("/healthz")
async def healthz(_request: web.Request) -> web.Response:
    """Tell that the worker serves."""
    return web.json_response({"status": "ok"})


@routes.get("/json")
async def hello(_request: web.Request) -> web.Response:
    """Greet."""
    return web.json_response({"message": "Hello, World!"})


@routes.get("/api/ai/history/{user_id}")
async def history(request: web.Request) -> web.Response:
    """Return a user's chats, the oldest first."""
    pool = request.app[POOL]
    if pool is None:
        raise web.HTTPServiceUnavailable
    user_id = HistoryPath.model_validate(dict(request.match_info)).user_id
    async with connected(pool) as connection:
        rows = await connection.fetch(QUERY_NUMBERED, user_id)
    return web.json_response(history_body(user_id, rows))


@routes.post("/api/ai/generate")
async def generate(request: web.Request) -> web.Response:
    """Take a request for generated text on."""
    return web.json_response(accept(AIServiceRequest.model_validate(await json_body(request))))


async def json_body(request: web.Request) -> Any:  # noqa: ANN401 - any JSON
    """Return the request's JSON; the body's size is judged before its type."""
    await request.read()
    if not is_json(request.headers.get("Content-Type", "")):
        raise web.HTTPUnsupportedMediaType
    try:
        return await request.json()
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or nested deeper than the parser goes
        raise web.HTTPBadRequest from error


@web.middleware
async def one_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put all errors into one shape."""
    try:
        return await handler(request)
    except ValidationError as error:
        return web.json_response(invalid(error), status=422)
    except UNAVAILABLE:
        return failure(503)
    except web.HTTPException as error:
        return failure(error.status, error.headers.get("Allow"))


def failure(status: int, allow: str | None = None) -> web.Response:
    """Return an answer in the shape of all errors."""
    return web.json_response(problem(status), status=status, headers={"Allow": allow} if allow else None)


async def create_app() -> web.Application:
    """Make the application; Gunicorn has it made in each worker."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[one_shape])
    app.cleanup_ctx.append(database)
    app.add_routes(routes)
    return app
