"""Text by a language model."""

from __future__ import annotations

from domain.description import described
from domain.text import TEXT, TextAnswer, TextRequest, text_body
from flask import Blueprint, request

from flask_api.bodies import json_body
from flask_api.resources import get_issuer, get_writer
from flask_api.token import require_token

routes = Blueprint("text", __name__)


@routes.post("/api/ai/text")
@described(TEXT)
def text() -> tuple[TextAnswer, dict[str, str]]:
    """Return a text, from the cache where it was written before."""
    get_issuer()
    writer = get_writer()
    request.get_data()  # a body that is too great is refused first
    require_token()
    asked = TextRequest.model_validate(json_body())
    result, cached = writer.write(asked)
    return text_body(asked, result), {"X-Cache": cached}
