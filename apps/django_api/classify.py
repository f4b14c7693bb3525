"""What a text is about."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from domain.classifier import CLASSIFY, ClassifyRequest
from domain.description import described

from django_api.answers import answering, json_body
from django_api.limit import limited
from django_api.resources import get_classifier


@answering("POST")
@limited
@described(CLASSIFY)
def classify(request: HttpRequest) -> HttpResponse:
    """Tell what a text is about."""
    classifier = get_classifier()
    return JsonResponse(classifier.classify(ClassifyRequest.model_validate(json_body(request))))


urls = [path("api/ai/classify", classify)]
