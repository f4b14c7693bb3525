"""The paths."""

from __future__ import annotations

from django.urls import path
from django_api.urls import handler400, handler404, handler500
from views import Generate, Healthz, Hello, History

__all__ = ["handler400", "handler404", "handler500", "urlpatterns"]

urlpatterns = [
    path("healthz", Healthz.as_view()),
    path("json", Hello.as_view()),
    path("api/ai/history/<str:user_id>", History.as_view()),
    path("api/ai/generate", Generate.as_view()),
]
