"""What a text is about."""

from __future__ import annotations

from domain.classifier import CLASSIFY, Classified, ClassifyRequest
from domain.description import described
from flask import Blueprint

from flask_api.bodies import json_body
from flask_api.resources import get_classifier

routes = Blueprint("classify", __name__)


@routes.post("/api/ai/classify")
@described(CLASSIFY)
def classify() -> Classified:
    """Tell what a text is about."""
    classifier = get_classifier()
    return classifier.classify(ClassifyRequest.model_validate(json_body()))
