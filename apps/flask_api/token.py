"""Tokens: who gets one, and who has shown a good one."""

from __future__ import annotations

from domain.description import described
from domain.tokens import TOKEN, Granted, TokenForm
from flask import Blueprint, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from flask_api.bodies import form_body
from flask_api.resources import get_issuer

routes = Blueprint("token", __name__)


def unauthorized() -> Unauthorized:
    """Return what is raised for credentials that are not good."""
    return Unauthorized(www_authenticate=WWWAuthenticate("bearer"))


@routes.post("/token")
@described(TOKEN)
def token() -> tuple[Granted, dict[str, str]]:
    """Give the user a token."""
    issuer = get_issuer()
    granted = issuer.grant(TokenForm.model_validate(form_body()))
    if granted is None:
        raise unauthorized()
    return granted, {"Cache-Control": "no-store"}


def require_token() -> None:
    """Refuse whoever shows no good token."""
    issuer = get_issuer()
    shown = request.authorization
    if shown is None or shown.type != "bearer" or not issuer.accepts(shown.token or ""):
        raise unauthorized()
