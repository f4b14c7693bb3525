"""The OpenAPI document, which apispec makes of the described views, and the pages that show it."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, get_resolver, path
from domain.description import operation_of

from django_api.answers import answering

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


@answering("GET", "HEAD")
def openapi(_request: HttpRequest) -> HttpResponse:
    """Return the document; it is made at the first request and kept."""
    return JsonResponse(document())


@cache
def document() -> dict[str, Any]:
    """Return the document of the described views."""
    from domain.openapi import document  # no other request needs it

    return document(
        (operation, method, {"path": "/" + _PARAMETER.sub(r"{\1}", str(pattern.pattern))})
        for pattern in get_resolver().url_patterns
        if isinstance(pattern, URLPattern) and (operation := operation_of(pattern.callback)) is not None
        for method in vars(pattern.callback)["methods"]
        if method != "HEAD"
    )


@answering("GET", "HEAD")
def docs(_request: HttpRequest) -> HttpResponse:
    """Show the document by Swagger UI."""
    from domain import pages  # two megabytes of scripts, which no other request needs

    return HttpResponse(pages.swagger())


@answering("GET", "HEAD")
def redoc(_request: HttpRequest) -> HttpResponse:
    """Show the document by Redoc."""
    from domain import pages  # as above

    return HttpResponse(pages.redoc())


urls = [path("openapi.json", openapi), path("docs", docs), path("redoc", redoc)]
