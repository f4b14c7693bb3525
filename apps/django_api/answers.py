"""What all views have in common: the one shape of all errors, methods, and JSON bodies."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse, QueryDict
from domain.bounded_psycopg import Silent
from domain.media_type import is_form, is_json
from domain.problems import Detail, Unavailable, broken_rules, problem
from domain.tokens import form_fields, quoted
from pydantic import ValidationError

View = Callable[..., HttpResponse]
AsyncView = Callable[..., Coroutine[Any, Any, HttpResponse]]


class Refused(Exception):
    """A request that ends with the answer of a status, wherever in a view that is found."""

    def __init__(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers


_KNOWN_AT_ONCE = (Refused, Unavailable, ValidationError)
REFUSALS = (*_KNOWN_AT_ONCE, OperationalError)
"""What a view raises for a request that it does not answer as it should."""


def failure(
    status: int, details: list[Detail] | None = None, headers: Mapping[str, str] | None = None
) -> JsonResponse:
    """Return an answer in the shape of all errors."""
    return JsonResponse(problem(status, details or ()), status=status, headers=headers)


def answering(*methods: str) -> Callable[[View], View]:
    """Let only these methods reach a view, and put whatever it refuses into the shape of all errors."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, **parameters: str) -> HttpResponse:
            if request.method not in methods:
                return _not_allowed(methods)
            try:
                return view(request, **parameters)
            except REFUSALS as error:
                return refusal(error)

        _mark(guarded, methods)
        return guarded

    return decorate


def answering_async(*methods: str) -> Callable[[AsyncView], AsyncView]:
    """Do the same for a view that is a coroutine."""

    def decorate(view: AsyncView) -> AsyncView:
        @wraps(view)
        async def guarded(request: HttpRequest, **parameters: str) -> HttpResponse:
            if request.method not in methods:
                return _not_allowed(methods)
            try:
                return await view(request, **parameters)
            except _KNOWN_AT_ONCE as error:
                return refusal(error)
            except OperationalError as error:
                return await sync_to_async(refusal)(error)

        _mark(guarded, methods)
        return guarded

    return decorate


def _mark(guarded: Callable[..., object], methods: Sequence[str]) -> None:
    vars(guarded)["methods"] = methods
    vars(guarded)["csrf_exempt"] = True  # for a middleware: no cookie says who asks


def _not_allowed(methods: Sequence[str]) -> HttpResponse:
    return HttpResponseNotAllowed(methods, json.dumps(problem(405)), content_type="application/json")


def refusal(error: Exception) -> HttpResponse:
    """Return the answer to one of `REFUSALS`; where the database was lost, its pool is looked at first."""
    if isinstance(error, Refused):
        return failure(error.status, headers=error.headers)
    if isinstance(error, ValidationError):
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        return failure(422, broken_rules(errors))
    if isinstance(error, OperationalError) and not isinstance(error.__cause__, Silent):
        _check_connections()  # of one that is silent each look would be as long a wait
    return failure(503)


def _check_connections() -> None:
    """Have the pool look at the connections that it still has, after one of them was lost."""
    database = connections["default"]
    if isinstance(database, DatabaseWrapper):
        database.pool.check()


def bounded_body(request: HttpRequest) -> bytes:
    """Return the request's body; raises Refused for one that is too great."""
    try:
        return request.body
    except RequestDataTooBig as error:
        raise Refused(413) from error


def declared_json(request: HttpRequest) -> bytes:
    """Return a body that says that it is JSON; raises Refused for one too great or of another type."""
    body = bounded_body(request)
    if not is_json(request.headers.get("Content-Type", "")):
        raise Refused(415)
    return body


def json_body(request: HttpRequest) -> Any:  # noqa: ANN401 - any JSON
    """Return the request's JSON; raises Refused for a body too great, of another type, or broken."""
    try:
        return json.loads(declared_json(request))
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or nested deeper than the parser goes
        raise Refused(400) from error


def form_body(request: HttpRequest) -> dict[str, object]:
    """Return the fields of the request's form; raises Refused for a body too great or of another type."""
    body = bounded_body(request)
    if not is_form(request.headers.get("Content-Type", "")):
        raise Refused(415)
    # What `request.POST` does, but for a page of Django's own where the content type names another charset,
    # and Latin-1 for all of a form where one byte of it is not UTF-8.
    return form_fields(QueryDict(quoted(body), encoding="utf-8").items())


def bad_request(_request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django names it
    """Put what Django itself refuses, such as a Host that is none, into the shape of all errors."""
    return failure(400)


def not_found(_request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django names it
    """Put an unknown path into the shape of all errors."""
    return failure(404)


def server_error(_request: HttpRequest) -> HttpResponse:
    """Keep the shape where the service itself fails; Django logs why."""
    return failure(500)
