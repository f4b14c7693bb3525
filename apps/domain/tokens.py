"""Tokens for the one user: who gets one, what is in it, and which are good."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import jwt
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from domain.description import Operation
from domain.settings import Settings

USER = "webdyno"
LIFETIME_S = 3600
_ALGORITHM = "HS256"

_Credential = Annotated[str, Field(min_length=1, max_length=200)]


class TokenForm(BaseModel):
    """The password grant of OAuth 2 (RFC 6749, 4.3); fields that it does not name are ignored."""

    grant_type: Literal["password"] = "password"
    username: _Credential
    password: _Credential


class Granted(TypedDict):
    """The answer to the right credentials."""

    access_token: str
    token_type: str
    expires_in: int
    """In seconds."""


TOKEN = Operation(
    "token",
    "Give the user a token",
    answers=Granted,
    takes=TokenForm,
    media_type="application/x-www-form-urlencoded",
    refusals=(401, 413, 415, 422, 503),
)


_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")


def quoted(form: bytes) -> bytes:
    """Return a form with what is beyond ASCII quoted; left as it is, each framework reads it in its way."""
    return form if form.isascii() else _BEYOND_ASCII.sub(lambda found: b"%%%02X" % ord(found[0]), form)


def form_fields(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Return the last field of each name; one without a value is as good as absent (RFC 6749, 3.2)."""
    return {name: value for name, value in dict(pairs).items() if value}


@dataclass(frozen=True, slots=True)
class Issuer:
    """Gives the user tokens, and knows them again."""

    key: str
    password: str

    @classmethod
    def of(cls, settings: Settings) -> Issuer | None:
        """Return the issuer with the settings' key and password; None where one of them was not given."""
        if settings.jwt_key is None or settings.password is None:
            return None
        return cls(settings.jwt_key, settings.password)

    def grant(self, form: TokenForm) -> Granted | None:
        """Return a token; None for another user or password, which takes as long whichever is wrong."""
        right_user = hmac.compare_digest(form.username.encode(), USER.encode())
        right_password = hmac.compare_digest(form.password.encode(), self.password.encode())
        if not (right_user & right_password):
            return None
        now_s = int(time.time())
        claims = {"sub": USER, "iat": now_s, "exp": now_s + LIFETIME_S}
        return {
            "access_token": jwt.encode(claims, self.key, _ALGORITHM),
            "token_type": "bearer",
            "expires_in": LIFETIME_S,
        }

    def accepts(self, token: str) -> bool:
        """Tell whether a token is one of ours and still good."""
        try:
            jwt.decode(token, self.key, [_ALGORITHM], options={"require": ["sub", "iat", "exp"]})
        except jwt.InvalidTokenError:
            return False
        return True
