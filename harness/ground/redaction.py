"""Credentials taken out of whatever is stored or shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

_USERINFO = re.compile(r"([a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/]*@", re.IGNORECASE)
_PARAMETER = re.compile(
    r"((?:password|passwd|pwd|secret|token|(?:jwt|llm|document|api)_key)\s*=\s*)"
    r"('[^']*'|\"[^\"]*\"|[^\s&;,]+)",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")
_SECRET = re.compile(r"WEBDYNO_\w*(?:KEY|PASSWORD)")
_MASK = "***"


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text with its credentials replaced by `***`.

    These are the passwords of URLs, `password=` and the like, signed tokens, and whatever is in `secrets`.
    """
    text = mask(text.encode(), secrets).decode()
    text = _PARAMETER.sub(rf"\1{_MASK}", _USERINFO.sub(rf"\1:{_MASK}@", text))
    return _TOKEN.sub(_MASK, text)


def mask(data: bytes, secrets: Iterable[str]) -> bytes:
    """Return bytes with every occurrence of these secrets replaced by `***`."""
    for secret in secrets:
        data = data.replace(secret.encode(), _MASK.encode())
    return data


def secrets_of(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return what is secret in variables of ours: passwords of URLs, and what is named a key or password."""
    found = (
        value if _SECRET.fullmatch(name) else urlsplit(value).password for name, value in variables.items()
    )
    return tuple(secret for secret in dict.fromkeys(found) if secret)
