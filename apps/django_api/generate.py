"""Requests for generated text, which are validated and taken on."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from domain.ai_request import GENERATE, AIServiceRequest, accept
from domain.description import described

from django_api.answers import answering, json_body
from django_api.limit import limited


@answering("POST")
@limited
@described(GENERATE)
def generate(request: HttpRequest) -> HttpResponse:
    """Take a request for generated text on."""
    return JsonResponse(accept(AIServiceRequest.model_validate(json_body(request))))


urls = [path("api/ai/generate", generate)]
