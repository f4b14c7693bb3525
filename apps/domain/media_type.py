"""Which content types are JSON, and which are forms."""

from __future__ import annotations


def is_json(content_type: str | None) -> bool:
    """Tell whether a Content-Type header names JSON, as Flask and FastAPI define it; a missing one does not.

    That is `application/json` or `application/<anything>+json` in any case, with or without parameters.
    """
    media_type = (content_type or "").partition(";")[0].strip().lower()
    main, _, sub = media_type.partition("/")
    return main == "application" and (sub == "json" or sub.endswith("+json"))


def is_form(content_type: str) -> bool:
    """Tell whether a Content-Type header names a form, in any case, with or without parameters."""
    return content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded"
