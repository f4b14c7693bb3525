"""What a case of the contract may have filled in: the password, and tokens that are good, late or forged."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

import jwt

from harness.machine.services.keys import JWT_KEY, PASSWORD, USER

_GOOD_FOR = timedelta(hours=1)


def credentials(variables: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Return the values of `{password}`, `{token}`, `{expired_token}` and `{foreign_token}`.

    `variables` are those of the services; what they hold no secret for is left out.
    """
    found = {}
    if PASSWORD in variables:
        found["password"] = variables[PASSWORD]
    if JWT_KEY in variables:
        key = variables[JWT_KEY]
        found["token"] = _token(key, now)
        found["expired_token"] = _token(key, now - 2 * _GOOD_FOR)
        found["foreign_token"] = _token(secrets.token_urlsafe(32), now)
    return found


def filled(data: bytes, values: Mapping[str, str]) -> bytes:
    """Return bytes with these placeholders replaced; every other brace stays as it is, as JSON needs."""
    for name, value in values.items():
        data = data.replace(f"{{{name}}}".encode(), value.encode())
    return data


def _token(key: str, issued: datetime) -> str:
    return jwt.encode({"sub": USER, "iat": issued, "exp": issued + _GOOD_FOR}, key, algorithm="HS256")
