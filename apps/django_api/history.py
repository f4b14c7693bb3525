"""A user's chats."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from domain.description import described
from domain.history import HISTORY, QUERY_FORMAT, HistoryPath, history_body

from django_api.answers import answering
from django_api.resources import require_database


@answering("GET", "HEAD")
@described(HISTORY)
def history(_request: HttpRequest, user_id: str) -> HttpResponse:
    """Return a user's chats, the oldest first."""
    require_database()
    user = HistoryPath.model_validate({"user_id": user_id}).user_id
    with connection.cursor() as cursor:
        cursor.execute(QUERY_FORMAT, (user,))
        return JsonResponse(history_body(user, cursor.fetchall()))


urls = [path("api/ai/history/<str:user_id>", history)]
