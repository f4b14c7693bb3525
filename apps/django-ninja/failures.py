"""The one shape of all errors, for what Ninja finds."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django_api.answers import REFUSALS, Refused, View, declared_json, failure, refusal
from domain.problems import broken_rules
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError


def add_handlers(api: NinjaAPI) -> None:
    """Have the API answer every error in that shape."""
    api.exception_handler(HttpError)(http_error)
    api.exception_handler(ValidationError)(invalid_request)
    for kind in REFUSALS:
        api.exception_handler(kind)(refused)


def http_error(_request: HttpRequest, error: HttpError) -> HttpResponse:
    """Put an HTTP error, such as a body that Ninja can't parse, into the shape of all errors."""
    return failure(error.status_code)


def invalid_request(_request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Name the broken rules; before a location Ninja says where it is, and of a body its parameter's name."""
    in_body = error.errors[0]["loc"][0] == "body"
    return failure(422, broken_rules(error.errors, skip=2 if in_body else 1))


def refused(_request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer what a view refuses."""
    return refusal(error)


def takes_json(run: View) -> View:
    """Judge a body before Ninja does: to it any type is JSON, and an empty body an absent parameter."""

    @wraps(run)
    def judged(request: HttpRequest, **parameters: str) -> HttpResponse:
        try:
            if not declared_json(request):
                return failure(400)
        except Refused as error:
            return refusal(error)
        return run(request, **parameters)

    return judged


def not_allowed(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Put the answer to another method, which no handler of Ninja's sees, into the shape of all errors."""

    def in_shape(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code == 405:
            return failure(405, headers={"Allow": response["Allow"]})
        return response

    return in_shape
