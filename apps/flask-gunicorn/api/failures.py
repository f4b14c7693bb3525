"""The one shape of all errors."""

from __future__ import annotations

from domain.problems import Problem, broken_rules, problem
from flask import Flask, Response, json
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException


def add_handlers(app: Flask) -> None:
    """Have the app answer every error in that shape."""
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(ValidationError, invalid_request)


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
