"""Metrics in the format of Prometheus, where the settings switch them on."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, path

APP = "django_prometheus"


def around(middleware: list[str]) -> list[str]:
    """Return a list of middleware with what counts the requests at both ends."""
    before, after = (f"{APP}.middleware.Prometheus{place}Middleware" for place in ("Before", "After"))
    return [before, *middleware, after]


def urls() -> list[URLPattern]:
    """Return the path of the metrics; none where they are off."""
    if APP not in settings.INSTALLED_APPS:
        return []
    # who keeps no metrics need not load it; it has no types
    from django_prometheus.exports import ExportToDjangoView  # type: ignore[import-untyped]

    return [path("metrics", ExportToDjangoView)]
