"""A part of the service on BlackSheep."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from json import loads
from typing import Any

from blacksheep import Application, HTTPException, Request, Response, Route, Router, json
from blacksheep.contents import ASGIContent
from blacksheep.server.routing import RouteMatch
from domain.ai_request import MAX_BODY_BYTES, AIServiceRequest, accept
from domain.bounded_asyncpg import UNAVAILABLE, Pool, connected, open_pool
from domain.history import QUERY_NUMBERED, HistoryPath, history_body
from domain.media_type import is_json
from domain.problems import invalid, problem
from domain.settings import Settings
from pydantic import ValidationError


class ExactRoute(Route):
    """A route that heeds case and slashes; BlackSheep's own takes `/JSON/` for `/json`."""

    def __init__(self, pattern: str | bytes, handler: Callable[..., Any]) -> None:
        super().__init__(pattern, handler)
        self.exact = re.compile(self.full_pattern.removeprefix(b"^").removesuffix(b"/?$"))

    def match_by_path(self, path: bytes) -> RouteMatch | None:
        """Return what the path's parameters are; None where it is another path."""
        found = self.exact.fullmatch(path)
        return RouteMatch(self, found.groupdict()) if found else None


class ExactRouter(Router):
    """Makes such routes."""

    def create_route(
        self,
        pattern: str | bytes,
        handler: Callable[..., Any],
        filters: object = None,  # noqa: ARG002 - nobody has any
    ) -> Route:
        """Make a route."""
        return ExactRoute(pattern, handler)


@dataclass(frozen=True, slots=True)
class Database:
    """The worker's database connections, for whoever asks for them by this type."""

    pool: Pool | None


app = Application(router=ExactRouter())
app.logger.setLevel(logging.WARNING)  # by itself it notes each refusal


@app.on_start
async def open_database(app: Application) -> None:
    """Open the worker's database connections."""
    app.services.register(Database, instance=Database(await open_pool(Settings.from_environment())))


@app.on_stop
async def close_database(app: Application) -> None:
    """Close them."""
    pool = app.services.resolve(Database).pool
    if pool is not None:
        await pool.close()


@app.router.head("/healthz")
@app.router.get("/healthz")
async def healthz() -> Response:
    """Tell that the worker serves."""
    return json({"status": "ok"})


@app.router.head("/json")
@app.router.get("/json")
async def hello() -> Response:
    """Greet."""
    return json({"message": "Hello, World!"})


@app.router.head("/api/ai/history/{user_id}")
@app.router.get("/api/ai/history/{user_id}")
async def history(user_id: str, database: Database) -> Response:
    """Return a user's chats, the oldest first."""
    if database.pool is None:
        raise HTTPException(503)
    user = HistoryPath.model_validate({"user_id": user_id}).user_id
    async with connected(database.pool) as connection:
        rows = await connection.fetch(QUERY_NUMBERED, user)
    return json(history_body(user, rows))


@app.router.post("/api/ai/generate")
async def generate(request: Request) -> Response:
    """Take a request for generated text on."""
    return json(accept(AIServiceRequest.model_validate(await json_body(request))))


async def json_body(request: Request) -> Any:  # noqa: ANN401 - any JSON
    """Return the request's JSON; the body's size is judged before its type.

    BlackSheep's own `FromJSON` takes every type with "json" in it, and an empty list for no body.
    """
    assert isinstance(request.content, ASGIContent)
    body = b""
    async for piece in request.content.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413)
    if not is_json((request.get_first_header(b"content-type") or b"").decode("latin-1")):
        raise HTTPException(415)
    try:
        return loads(body)
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or nested deeper than the parser goes
        raise HTTPException(400) from error


async def unrouted(request: Request) -> Response:
    """Tell a path that has other methods from one that is none; for BlackSheep both are nothing."""
    path = request.url.path
    by_method = app.router.routes.items()
    allowed = [method for method, routes in by_method if any(route.match_by_path(path) for route in routes)]
    if not allowed:
        raise HTTPException(404)
    answer = json(problem(405), 405)
    answer.add_header(b"Allow", b", ".join(allowed))
    return answer


async def http_error(_app: Application, _request: Request, error: HTTPException) -> Response:
    """Put an HTTP error into the shape of all errors."""
    return json(problem(error.status), error.status)


async def invalid_request(_app: Application, _request: Request, error: ValidationError) -> Response:
    """Name the broken rules."""
    return json(invalid(error), 422)


async def unavailable(_app: Application, _request: Request, _error: Exception) -> Response:
    """Tell that the database does not answer."""
    return json(problem(503), 503)


app.router.fallback = unrouted
app.exceptions_handlers.update(dict.fromkeys((400, 404, 413, 415, 500, 503), http_error))
app.exceptions_handlers.update(dict.fromkeys(UNAVAILABLE, unavailable))
app.exceptions_handlers[ValidationError] = invalid_request
