"""The paths, with the history by models."""

from __future__ import annotations

from chats.models import Chat
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django_api.answers import answering
from django_api.resources import require_database
from django_api.urls import handler400, handler404, handler500, instead
from domain.description import described
from domain.history import HISTORY, HistoryPath, history_body

__all__ = ["handler400", "handler404", "handler500", "urlpatterns"]


@answering("GET", "HEAD")
@described(HISTORY)
def history(_request: HttpRequest, user_id: str) -> HttpResponse:
    """Return a user's chats, the oldest first."""
    require_database()
    user = HistoryPath.model_validate({"user_id": user_id}).user_id
    chats = Chat.objects.filter(user_id=user).order_by("create_time", "id")
    return JsonResponse(history_body(user, ((chat.content, chat.create_time) for chat in chats)))


urlpatterns = instead([path("api/ai/history/<str:user_id>", history)])
