"""Tokens: who gets one, and who has shown a good one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from domain.description import described
from domain.tokens import TOKEN, TokenForm

from django_api.answers import Refused, answering, form_body
from django_api.resources import get_issuer


def unauthorized() -> Refused:
    """Return what is raised for credentials that are not good."""
    return Refused(401, {"WWW-Authenticate": "Bearer"})


@answering("POST")
@described(TOKEN)
def token(request: HttpRequest) -> HttpResponse:
    """Give the user a token."""
    issuer = get_issuer()
    granted = issuer.grant(TokenForm.model_validate(form_body(request)))
    if granted is None:
        raise unauthorized()
    return JsonResponse(granted, headers={"Cache-Control": "no-store"})


def require_token(request: HttpRequest) -> None:
    """Refuse whoever shows no good token."""
    issuer = get_issuer()
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not issuer.accepts(shown.strip()):
        raise unauthorized()


urls = [path("token", token)]
