"""Which view answers which path."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from domain.basics import HEALTHZ, HELLO
from domain.description import described

from django_api import classify, description, documents, generate, history, metrics, text, token
from django_api.answers import answering, bad_request, not_found, server_error


@answering("GET", "HEAD")
@described(HEALTHZ)
def healthz(_request: HttpRequest) -> HttpResponse:
    """Tell that the worker serves."""
    return JsonResponse({"status": "ok"})


@answering("GET", "HEAD")
@described(HELLO)
def hello(_request: HttpRequest) -> HttpResponse:
    """Greet."""
    return JsonResponse({"message": "Hello, World!"})


urlpatterns = [
    path("healthz", healthz),
    path("json", hello),
    *history.urls,
    *generate.urls,
    *token.urls,
    *text.urls,
    *documents.urls,
    *classify.urls,
    *description.urls,
    *metrics.urls(),
]
handler400 = bad_request
handler404 = not_found
handler500 = server_error


def instead(own: list[URLPattern]) -> list[URLPattern]:
    """Return all paths, a variant's own views in the place of those of the same path."""
    given = {str(one.pattern): one for one in own}
    return [given.get(str(one.pattern), one) for one in urlpatterns]
