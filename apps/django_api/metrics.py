"""Metrics in the format of Prometheus, where the settings switch them on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.urls import URLPattern, path

APP = "django_prometheus"


def counted(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return Django's settings with what counts the requests at both ends of the middleware."""
    before, after = (f"{APP}.middleware.Prometheus{place}Middleware" for place in ("Before", "After"))
    return {
        **chosen,
        "INSTALLED_APPS": [*chosen["INSTALLED_APPS"], APP],
        "MIDDLEWARE": [before, *chosen["MIDDLEWARE"], after],
    }


def urls() -> list[URLPattern]:
    """Return the path of the metrics; none where they are off."""
    if APP not in settings.INSTALLED_APPS:
        return []
    # who keeps no metrics need not load it; it has no types
    from django_prometheus.exports import ExportToDjangoView  # type: ignore[import-untyped]

    return [path("metrics", ExportToDjangoView)]
