"""Tokens: who gets one, and who has shown a good one."""

from __future__ import annotations

from typing import Annotated

from domain.ai_request import MAX_BODY_BYTES
from domain.tokens import TOKEN, Granted, TokenForm
from fastapi import APIRouter, Depends, Form, HTTPException, Response
from fastapi.security import OAuth2PasswordBearer

from fastapi_api.bodies import BoundedRoute, FormRequest, require_form
from fastapi_api.description import described
from fastapi_api.resources import TokenIssuer, get_issuer


class TokenRoute(BoundedRoute):
    """A route that asks for the issuer before it reads a body."""

    reads = FormRequest
    needs = (get_issuer,)


router = APIRouter(route_class=TokenRoute)
bearer = OAuth2PasswordBearer(tokenUrl="token")


def unauthorized() -> HTTPException:
    """Return what is raised for credentials that are not good."""
    return HTTPException(401, headers={"WWW-Authenticate": "Bearer"})


@router.post(
    "/token",
    dependencies=[Depends(require_form)],
    form_limits={"max_fields": MAX_BODY_BYTES},  # the body's size is their bound, as in the other variants
    **described(TOKEN),
)
async def token(form: Annotated[TokenForm, Form()], issuer: TokenIssuer, response: Response) -> Granted:
    """Give the user a token."""
    granted = issuer.grant(form)
    if granted is None:
        raise unauthorized()
    response.headers["Cache-Control"] = "no-store"
    return granted


async def require_token(issuer: TokenIssuer, token: Annotated[str, Depends(bearer)]) -> None:
    """Refuse whoever shows no good token."""
    if not issuer.accepts(token):
        raise unauthorized()
