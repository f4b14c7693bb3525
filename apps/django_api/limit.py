"""How often a client may ask, where the settings name a limit."""

from __future__ import annotations

from functools import wraps

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from domain.settings import Settings

from django_api.answers import AsyncView, Refused, View
from django_api.resources import get_limiter


def limited(view: View) -> View:
    """Count each client's requests before the view is called; without a limit the view stays as it is."""
    if Settings.from_environment().rate_limit is None:
        return view

    @wraps(view)
    def counted(request: HttpRequest, **parameters: str) -> HttpResponse:
        _count(request)
        return view(request, **parameters)

    return counted


def limited_async(view: AsyncView) -> AsyncView:
    """Do the same for a view that is a coroutine."""
    if Settings.from_environment().rate_limit is None:
        return view

    @wraps(view)
    async def counted(request: HttpRequest, **parameters: str) -> HttpResponse:
        await sync_to_async(_count)(request)
        return await view(request, **parameters)

    return counted


def _count(request: HttpRequest) -> None:
    wait_s = get_limiter().count(request.META["REMOTE_ADDR"])
    if wait_s is not None:
        raise Refused(429, {"Retry-After": str(wait_s)})
