"""The paths, with the views of the compared scenarios as coroutines; Django runs the others in threads."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django_api.answers import answering_async, json_body
from django_api.limit import limited_async
from django_api.resources import require_database
from django_api.urls import handler400, handler404, handler500, instead
from domain.ai_request import GENERATE, AIServiceRequest, accept
from domain.basics import HEALTHZ, HELLO
from domain.description import described
from domain.history import HISTORY, QUERY_FORMAT, HistoryPath, history_body

__all__ = ["handler400", "handler404", "handler500", "urlpatterns"]


@answering_async("GET", "HEAD")
@described(HEALTHZ)
async def healthz(_request: HttpRequest) -> HttpResponse:
    """Tell that the worker serves."""
    return JsonResponse({"status": "ok"})


@answering_async("GET", "HEAD")
@described(HELLO)
async def hello(_request: HttpRequest) -> HttpResponse:
    """Greet."""
    return JsonResponse({"message": "Hello, World!"})


@answering_async("POST")
@limited_async
@described(GENERATE)
async def generate(request: HttpRequest) -> HttpResponse:
    """Take a request for generated text on."""
    return JsonResponse(accept(AIServiceRequest.model_validate(json_body(request))))


@answering_async("GET", "HEAD")
@described(HISTORY)
async def history(_request: HttpRequest, user_id: str) -> HttpResponse:
    """Return a user's chats, the oldest first."""
    require_database()
    user = HistoryPath.model_validate({"user_id": user_id}).user_id
    return JsonResponse(history_body(user, await chats_of(user)))


@sync_to_async
def chats_of(user: int) -> list[tuple[object, ...]]:
    """Ask the database in a thread: Django's cursors know no other way."""
    with connection.cursor() as cursor:
        cursor.execute(QUERY_FORMAT, (user,))
        rows: list[tuple[object, ...]] = cursor.fetchall()
        return rows


urlpatterns = instead(
    [
        path("healthz", healthz),
        path("json", hello),
        path("api/ai/generate", generate),
        path("api/ai/history/<str:user_id>", history),
    ]
)
