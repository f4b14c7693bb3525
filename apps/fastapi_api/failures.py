"""The one shape of all errors."""

from __future__ import annotations

from domain.bounded_asyncpg import UNAVAILABLE
from domain.problems import broken_rules, problem
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException


def add_handlers(app: FastAPI) -> None:
    """Have the app answer every error in that shape."""
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid_request)
    for lost in UNAVAILABLE:
        app.add_exception_handler(lost, unavailable)
    app.add_exception_handler(500, server_error)


async def http_error(_request: Request, error: Exception) -> JSONResponse:
    """Put an HTTP error into the shape of all errors."""
    assert isinstance(error, HTTPException)
    return JSONResponse(problem(error.status_code), error.status_code, error.headers)


async def invalid_request(_request: Request, error: Exception) -> JSONResponse:
    """Tell broken JSON from broken rules."""
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    if errors[0]["type"] == "json_invalid":
        return JSONResponse(problem(400), 400)
    return JSONResponse(problem(422, broken_rules(errors, skip=1)), 422)


async def unavailable(_request: Request, _error: Exception) -> JSONResponse:
    """Tell that a service does not answer."""
    return JSONResponse(problem(503), 503)


async def server_error(_request: Request, _error: Exception) -> JSONResponse:
    """Keep the shape where the service itself fails; the server logs why."""
    return JSONResponse(problem(500), 500)
