"""Requests for generated text, which are validated and taken on."""

from __future__ import annotations

from domain.ai_request import GENERATE, Accepted, AIServiceRequest, accept
from domain.description import described
from flask import Blueprint

from flask_api.bodies import json_body

routes = Blueprint("generate", __name__)


@routes.post("/api/ai/generate")
@described(GENERATE)
def generate() -> Accepted:
    """Take a request for generated text on."""
    return accept(AIServiceRequest.model_validate(json_body()))
