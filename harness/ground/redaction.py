"""Credentials taken out of whatever is stored or shown."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"([a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/]*@", re.IGNORECASE)
_PARAMETER = re.compile(
    r"((?:password|passwd|pwd|secret|token)\s*=\s*)('[^']*'|\"[^\"]*\"|[^\s&;,]+)", re.IGNORECASE
)


def redact(text: str) -> str:
    """Return a text with the passwords of its URLs and `password=` parameters replaced by `***`."""
    return _PARAMETER.sub(r"\1***", _USERINFO.sub(r"\1:***@", text))
