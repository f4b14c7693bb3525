"""The service on Django, in one module."""

from __future__ import annotations

import atexit
import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.wsgi import get_wsgi_application
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import DatabaseWrapper
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.urls import path
from domain.ai_request import MAX_BODY_BYTES, AIServiceRequest, accept
from domain.history import QUERY_FORMAT, HistoryPath, history_body
from domain.media_type import is_json
from domain.problems import Detail, broken_rules, problem
from domain.settings import Settings
from psycopg.conninfo import conninfo_to_dict
from pydantic import ValidationError

View = Callable[..., HttpResponse]


def database(url: str, pool_size: int) -> dict[str, Any]:
    """Return the entry of DATABASES for a URL."""
    given = conninfo_to_dict(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": given.pop("dbname", ""),
        "OPTIONS": {
            **given,
            "pool": {"min_size": pool_size, "max_size": pool_size},
            "server_side_binding": True,  # without it the client writes the parameters into the text
            "prepare_threshold": 0,
        },
    }


given = Settings.from_environment()
settings.configure(
    ALLOWED_HOSTS=["*"],  # whoever starts the service decides on which address it can be reached
    APPEND_SLASH=False,
    DATABASES={"default": database(given.postgres_url, given.db_pool_size)} if given.postgres_url else {},
    DATA_UPLOAD_MAX_MEMORY_SIZE=MAX_BODY_BYTES,
    DEBUG=False,
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
    ROOT_URLCONF=__name__,
    USE_I18N=False,
    USE_TZ=True,
)


def failure(status: int, details: list[Detail] | None = None) -> JsonResponse:
    """Return an answer in the shape of all errors."""
    return JsonResponse(problem(status, details or ()), status=status)


def invalid_request(error: ValidationError) -> JsonResponse:
    """Name the broken rules."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    return failure(422, broken_rules(errors))


def allow(*methods: str) -> Callable[[View], View]:
    """Let only these methods reach a view; like `require_http_methods`, with a body for the others."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, **parameters: str) -> HttpResponse:
            if request.method in methods:
                return view(request, **parameters)
            body = json.dumps(problem(405))
            return HttpResponseNotAllowed(methods, body, content_type="application/json")

        return guarded

    return decorate


@allow("GET", "HEAD")
def healthz(_request: HttpRequest) -> HttpResponse:
    """Tell that the worker serves."""
    return JsonResponse({"status": "ok"})


@allow("GET", "HEAD")
def hello(_request: HttpRequest) -> HttpResponse:
    """Greet."""
    return JsonResponse({"message": "Hello, World!"})


@allow("GET", "HEAD")
def history(_request: HttpRequest, user_id: str) -> HttpResponse:
    """Return a user's chats, the oldest first."""
    if given.postgres_url is None:
        return failure(503)
    try:
        user = HistoryPath.model_validate({"user_id": user_id}).user_id
    except ValidationError as error:
        return invalid_request(error)
    with connection.cursor() as cursor:
        cursor.execute(QUERY_FORMAT, (user,))
        return JsonResponse(history_body(user, cursor.fetchall()))


@allow("POST")
def generate(request: HttpRequest) -> HttpResponse:
    """Take a request for generated text on."""
    try:
        body = request.body
    except RequestDataTooBig:
        return failure(413)
    if not is_json(request.headers.get("Content-Type", "")):
        return failure(415)
    try:
        wanted = AIServiceRequest.model_validate(json.loads(body))
    except ValidationError as error:  # a ValueError too, so it comes first
        return invalid_request(error)
    except (ValueError, RecursionError):  # no JSON, no UTF-8, or nested deeper than the parser goes
        return failure(400)
    return JsonResponse(accept(wanted))


def not_found(_request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django names it
    """Put an unknown path into the shape of all errors."""
    return failure(404)


def server_error(_request: HttpRequest) -> HttpResponse:
    """Keep the shape where the service itself fails; Django logs why."""
    return failure(500)


urlpatterns = [
    path("healthz", healthz),
    path("json", hello),
    path("api/ai/history/<str:user_id>", history),
    path("api/ai/generate", generate),
]
handler404 = not_found
handler500 = server_error


def open_pool(database: BaseDatabaseWrapper) -> None:
    """Open the worker's connections and wait for all of them; Django alone would open them on first use."""
    if isinstance(database, DatabaseWrapper):  # not so where the service was started without a database
        database.pool.open(wait=True)
        atexit.register(database.close_pool)


application = get_wsgi_application()
open_pool(connections["default"])
