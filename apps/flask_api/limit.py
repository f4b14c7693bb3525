"""How often a client may ask, where the settings name a limit."""

from __future__ import annotations

from typing import NoReturn

from domain.description import operation_of
from domain.settings import Settings
from flask import Flask
from werkzeug.exceptions import TooManyRequests

from flask_api.failures import unavailable


def add_limit(app: Flask, settings: Settings) -> None:
    """Count each client's requests for what may be refused by 429, before their view is called."""
    assert settings.rate_limit is not None
    assert settings.valkey_url is not None
    # who has no limit need not load these
    from domain.limiting import OPTIONS, SCOPE, retry_after_s, uri
    from flask_limiter import Limiter, RequestLimit
    from flask_limiter.util import get_remote_address
    from limits.errors import StorageError

    def refuse(limit: RequestLimit) -> NoReturn:
        raise TooManyRequests(retry_after=retry_after_s(limit.limit, limit.window.reset_time))

    limiter = Limiter(
        get_remote_address,
        app=app,
        storage_uri=uri(settings.valkey_url),
        storage_options=OPTIONS,
        strategy="fixed-window",
        on_breach=refuse,
    )
    limited = limiter.shared_limit(settings.rate_limit, SCOPE)
    for endpoint, view in app.view_functions.items():
        operation = operation_of(view)
        if operation is not None and 429 in operation.refusals:
            app.view_functions[endpoint] = limited(view)  # type: ignore[assignment]  # its type is wider
    app.register_error_handler(StorageError, unavailable)
