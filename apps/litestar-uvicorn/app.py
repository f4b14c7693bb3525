"""A part of the service on Litestar."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from domain.ai_request import MAX_BODY_BYTES, Accepted, AIServiceRequest, accept
from domain.bounded_asyncpg import UNAVAILABLE, Pool, connected, open_pool
from domain.history import QUERY_NUMBERED, History, HistoryPath, history_body
from domain.media_type import is_json
from domain.problems import Problem, invalid, problem
from domain.settings import Settings
from litestar import HttpMethod, Litestar, Request, Response, post, route
from litestar.datastructures import State
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ServiceUnavailableException,
    ValidationException,
)
from litestar.handlers import HTTPRouteHandler
from pydantic import ValidationError

AnyRequest = Request[Any, Any, State]

READ = [HttpMethod.GET, HttpMethod.HEAD]


@asynccontextmanager
async def database(app: Litestar) -> AsyncIterator[None]:
    """Hold the worker's database connections."""
    pool = app.state.pool = await open_pool(Settings.from_environment())
    yield
    if pool is not None:
        await pool.close()


@route("/healthz", http_method=READ)
async def healthz() -> dict[str, str]:
    """Tell that the worker serves."""
    return {"status": "ok"}


@route("/json", http_method=READ)
async def hello() -> dict[str, str]:
    """Greet."""
    return {"message": "Hello, World!"}


@route("/api/ai/history/{user_id:str}", http_method=READ)
async def history(user_id: str, state: State) -> History:
    """Return a user's chats, the oldest first."""
    pool: Pool | None = state.pool
    if pool is None:
        raise ServiceUnavailableException
    user = HistoryPath.model_validate({"user_id": user_id}).user_id
    async with connected(pool) as connection:
        rows = await connection.fetch(QUERY_NUMBERED, user)
    return history_body(user, rows)


async def exact_path(request: AnyRequest) -> None:
    """Refuse slashes that are too many, which Litestar's router does not see."""
    path: bytes = request.scope["raw_path"]
    if path.endswith(b"/") or b"//" in path:
        raise NotFoundException


async def json_only(request: AnyRequest) -> None:
    """Judge the body's size, then its type; Litestar itself would read any type as JSON."""
    await exact_path(request)
    body = await request.body()  # raises where `request_max_body_size` is passed
    if not is_json(request.headers.get("content-type", "")):
        raise HTTPException(status_code=415)
    if not body:
        raise ClientException


def too_deep(_request: AnyRequest, _error: RecursionError) -> Response[Problem]:
    """Tell that the body is nested deeper than the parser goes."""
    return Response(problem(400), status_code=400)


@post(
    "/api/ai/generate",
    status_code=200,
    before_request=json_only,
    exception_handlers={RecursionError: too_deep},
)
async def generate(data: AIServiceRequest) -> Accepted:
    """Take a request for generated text on."""
    return accept(data)


def no_options(paths: list[str], allowed: str) -> HTTPRouteHandler:
    """Return what refuses OPTIONS, which Litestar by itself answers at every path."""

    @route(paths, http_method=HttpMethod.OPTIONS)
    async def options() -> None:
        raise MethodNotAllowedException(headers={"allow": allowed})

    return options


def http_error(_request: AnyRequest, error: HTTPException) -> Response[Problem]:
    """Put an HTTP error into the shape of all errors."""
    return Response(problem(error.status_code), status_code=error.status_code, headers=error.headers)


def not_allowed(request: AnyRequest, error: MethodNotAllowedException) -> Response[Problem]:
    """Name the methods that a path has, without the one that is there to be refused."""
    assert error.headers is not None
    allowed = [name for name in error.headers["allow"].split(", ") if name != HttpMethod.OPTIONS]
    error.headers["allow"] = ", ".join(allowed)
    return http_error(request, error)


def invalid_body(_request: AnyRequest, error: ValidationException) -> Response[Problem]:
    """Name the broken rules, which are the cause of the cause: Litestar keeps their words alone."""
    assert error.__cause__ is not None
    cause = error.__cause__.__cause__
    assert isinstance(cause, ValidationError)
    return Response(invalid(cause), status_code=422)


def invalid_path(_request: AnyRequest, error: ValidationError) -> Response[Problem]:
    """Name the broken rules."""
    return Response(invalid(error), status_code=422)


def unavailable(_request: AnyRequest, _error: Exception) -> Response[Problem]:
    """Tell that the database does not answer."""
    return Response(problem(503), status_code=503)


def server_error(_request: AnyRequest, error: Exception) -> Response[Problem]:
    """Keep the shape where the service itself fails, and log why: Litestar does so when debugging alone."""
    logging.getLogger(__name__).error("the service failed", exc_info=error)
    return Response(problem(500), status_code=500)


app = Litestar(
    [
        # These first: a path without any gets Litestar's own.
        no_options(["/healthz", "/json", "/api/ai/history/{user_id:str}"], "GET, HEAD"),
        no_options(["/api/ai/generate"], "POST"),
        healthz,
        hello,
        history,
        generate,
    ],
    lifespan=[database],
    before_request=exact_path,
    request_max_body_size=MAX_BODY_BYTES,
    exception_handlers={
        HTTPException: http_error,
        MethodNotAllowedException: not_allowed,
        ValidationException: invalid_body,
        ValidationError: invalid_path,
        **dict.fromkeys(UNAVAILABLE, unavailable),
        500: server_error,
    },
    openapi_config=None,
)
