"""Text by a language model."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from domain.description import described
from domain.text import TEXT, TextRequest, text_body

from django_api.answers import answering, bounded_body, json_body
from django_api.limit import limited
from django_api.resources import get_issuer, get_writer
from django_api.token import require_token


@answering("POST")
@limited
@described(TEXT)
def text(request: HttpRequest) -> HttpResponse:
    """Return a text, from the cache where it was written before."""
    get_issuer()
    writer = get_writer()
    bounded_body(request)  # one that is too great is refused first
    require_token(request)
    asked = TextRequest.model_validate(json_body(request))
    result, cached = writer.write(asked)
    return JsonResponse(text_body(asked, result), headers={"X-Cache": cached})


urls = [path("api/ai/text", text)]
