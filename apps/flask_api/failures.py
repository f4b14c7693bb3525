"""The one shape of all errors."""

from __future__ import annotations

import psycopg
from domain.bounded_psycopg import Silent
from domain.problems import Problem, Unavailable, broken_rules, problem
from flask import Flask, Response, json
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from flask_api.resources import get_pool


def add_handlers(app: Flask) -> None:
    """Have the app answer every error in that shape."""
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(ValidationError, invalid_request)
    app.register_error_handler(Unavailable, unavailable)
    app.register_error_handler(psycopg.OperationalError, database_lost)


def http_error(error: HTTPException) -> Response:
    """Put an HTTP error into the shape of all errors."""
    response = Response(headers=error.get_headers(), status=error.code)
    response.data = json.dumps(problem(response.status_code))
    response.content_type = "application/json"
    return response


def invalid_request(error: ValidationError) -> tuple[Problem, int]:
    """Name the broken rules."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    return problem(422, broken_rules(errors)), 422


def database_lost(error: psycopg.OperationalError) -> tuple[Problem, int]:
    """Tell that the database does not answer, and have the pool look at the connections that it still has."""
    if not isinstance(error, Silent):  # a look at the others would be as long a wait for each
        get_pool().check()
    return problem(503), 503


def unavailable(_error: Exception) -> tuple[Problem, int]:
    """Tell that a service does not answer."""
    return problem(503), 503
