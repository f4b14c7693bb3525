"""The paths."""

from __future__ import annotations

from django.urls import path
from django_api.urls import handler400, handler404, handler500
from operations import api

__all__ = ["handler400", "handler404", "handler500", "urlpatterns"]

urlpatterns = [path("", api.urls)]
