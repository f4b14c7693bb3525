"""Request bodies."""

from __future__ import annotations

from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest


def json_body() -> Any:  # noqa: ANN401 - any JSON
    """Return the request's JSON; the body's size is judged before its type."""
    request.get_data()
    try:
        return request.get_json()
    except RecursionError as error:  # nested deeper than the parser goes
        raise BadRequest from error
