"""How often a client may ask, where the settings name a limit."""

from __future__ import annotations

from functools import wraps

from django.http import HttpRequest, HttpResponse
from domain.settings import Settings

from api.answers import Refused, View
from api.resources import get_limiter


def limited(view: View) -> View:
    """Count each client's requests before the view is called; without a limit the view stays as it is."""
    if Settings.from_environment().rate_limit is None:
        return view

    @wraps(view)
    def counted(request: HttpRequest, **parameters: str) -> HttpResponse:
        wait_s = get_limiter().count(request.META["REMOTE_ADDR"])
        if wait_s is not None:
            raise Refused(429, {"Retry-After": str(wait_s)})
        return view(request, **parameters)

    return counted
