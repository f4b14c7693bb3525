"""Request bodies."""

from __future__ import annotations

from typing import Any

from domain.tokens import form_fields
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
    request.get_data()
    if request.mimetype != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType
    return form_fields(request.form.items(multi=True))
