"""A part of the service on Falcon's ASGI side."""

from __future__ import annotations

import json
from typing import Any

from domain.ai_request import MAX_BODY_BYTES, AIServiceRequest, accept
from domain.bounded_asyncpg import UNAVAILABLE, Pool, connected, open_pool
from domain.history import QUERY_NUMBERED, HistoryPath, history_body
from domain.media_type import is_json
from domain.problems import invalid, problem
from domain.settings import Settings
from falcon import (
    COMBINED_METHODS,
    HTTPBadRequest,
    HTTPContentTooLarge,
    HTTPError,
    HTTPServiceUnavailable,
    HTTPUnsupportedMediaType,
)
from falcon.asgi import App, Request, Response
from falcon.responders import create_method_not_allowed
from falcon.routing import BaseConverter, CompiledRouter
from pydantic import ValidationError


class Database:
    """Middleware that holds the worker's database connections."""

    pool: Pool | None = None

    async def process_startup(self, _scope: object, _event: object) -> None:
        """Open them."""
        self.pool = await open_pool(Settings.from_environment())

    async def process_shutdown(self, _scope: object, _event: object) -> None:
        """Close them."""
        if self.pool is not None:
            await self.pool.close()


class Healthz:
    """Whether the worker serves."""

    async def on_get(self, _request: Request, response: Response) -> None:
        """Tell that the worker serves."""
        response.media = {"status": "ok"}

    on_head = on_get


class Hello:
    """The greeting."""

    async def on_get(self, _request: Request, response: Response) -> None:
        """Greet."""
        response.media = {"message": "Hello, World!"}

    on_head = on_get


class History:
    """A user's chats."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def on_get(self, _request: Request, response: Response, user_id: str) -> None:
        """Return a user's chats, the oldest first."""
        if self.database.pool is None:
            raise HTTPServiceUnavailable
        user = HistoryPath.model_validate({"user_id": user_id}).user_id
        async with connected(self.database.pool) as connection:
            rows = await connection.fetch(QUERY_NUMBERED, user)
        response.media = history_body(user, rows)

    on_head = on_get


class Generate:
    """Requests for generated text."""

    async def on_post(self, request: Request, response: Response) -> None:
        """Take a request for generated text on."""
        response.media = accept(AIServiceRequest.model_validate(await json_body(request)))


async def json_body(request: Request) -> Any:  # noqa: ANN401 - any JSON
    """Return the request's JSON; the body's size is judged before its type.

    Falcon's own `get_media` knows media types in small letters alone, and takes none for JSON.
    """
    body = await request.stream.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise HTTPContentTooLarge
    if not is_json(request.content_type or ""):
        raise HTTPUnsupportedMediaType
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or nested deeper than the parser goes
        raise HTTPBadRequest from error


class Segment(BaseConverter):
    """A part of a path; Falcon by itself would let it be empty."""

    def convert(self, value: str) -> str | None:
        """Return it; None, for no match, where it is empty."""
        return value or None


class Router(CompiledRouter):
    """Falcon's router, which by itself answers OPTIONS wherever a resource is."""

    def map_http_methods(self, resource: object, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401 - Falcon's
        """Let a resource answer the methods that it has, and no other."""
        own = super().map_http_methods(resource, **kwargs)
        refuse = create_method_not_allowed(sorted(own), asgi=True)
        return {**dict.fromkeys(COMBINED_METHODS, refuse), **own}


async def http_error(_request: Request, response: Response, error: HTTPError, _parameters: object) -> None:
    """Put an HTTP error into the shape of all errors."""
    response.status = error.status
    response.set_headers(error.headers or {})
    response.media = problem(error.status_code)


async def invalid_request(
    _request: Request, response: Response, error: ValidationError, _parameters: object
) -> None:
    """Name the broken rules."""
    response.status = 422
    response.media = invalid(error)


async def unavailable(_request: Request, response: Response, _error: Exception, _parameters: object) -> None:
    """Tell that the database does not answer."""
    response.status = 503
    response.media = problem(503)


database = Database()
app = App(middleware=[database], router=Router())
app.router_options.converters["segment"] = Segment
app.add_route("/healthz", Healthz())
app.add_route("/json", Hello())
app.add_route("/api/ai/history/{user_id:segment}", History(database))
app.add_route("/api/ai/generate", Generate())
app.add_error_handler(HTTPError, http_error)
app.add_error_handler(ValidationError, invalid_request)
for lost in UNAVAILABLE:
    app.add_error_handler(lost, unavailable)
