"""The OpenAPI document, which apispec makes of the described views, and the pages that show it."""

from __future__ import annotations

from functools import cache
from typing import Any

from domain.description import operation_of
from flask import Blueprint, Flask, current_app

routes = Blueprint("description", __name__)


@routes.get("/openapi.json")
def openapi() -> dict[str, Any]:
    """Return the document; it is made at the first request and kept."""
    return document_of(current_app._get_current_object())  # type: ignore[attr-defined]  # not in the proxy's type


@cache
def document_of(app: Flask) -> dict[str, Any]:
    """Return the document of an application's described views."""
    from apispec_webframeworks.flask import FlaskPlugin  # no other request needs these
    from domain.openapi import document

    described = [
        (operation, method, {"view": view, "app": app})
        for rule in app.url_map.iter_rules()
        for view in [app.view_functions[rule.endpoint]]
        if (operation := operation_of(view)) is not None
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    ]
    return document(described, [FlaskPlugin()])


@routes.get("/docs")
def docs() -> str:
    """Show the document by Swagger UI."""
    from domain import pages  # two megabytes of scripts, which no other request needs

    return pages.swagger()


@routes.get("/redoc")
def redoc() -> str:
    """Show the document by Redoc."""
    from domain import pages  # as above

    return pages.redoc()
