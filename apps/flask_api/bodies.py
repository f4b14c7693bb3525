"""Request bodies."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from domain.tokens import form_fields, quoted
from flask import request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType


def json_body() -> Any:  # noqa: ANN401 - any JSON
    """Return the request's JSON; the body's size is judged before its type."""
    request.get_data()
    try:
        return request.get_json()
    except RecursionError as error:  # nested deeper than the parser goes
        raise BadRequest from error


def form_body() -> dict[str, object]:
    """Return the fields of the request's form; the body's size is judged before its type."""
    body = request.get_data()
    if request.mimetype != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType
    # What `request.form` does, but that takes a form for empty where one byte of it is not UTF-8.
    return form_fields(parse_qsl(quoted(body).decode(), keep_blank_values=True))
