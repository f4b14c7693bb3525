"""The OpenAPI document, which FastAPI makes of the routes, and the pages that show it."""

from __future__ import annotations

from typing import Any

from domain.description import TITLE, VERSION, Operation, described_headers
from domain.problems import Problem, problem
from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from fastapi.routing import RouteContext, iter_route_contexts


def described(operation: Operation) -> dict[str, Any]:
    """Return what a route's decorator is to be told: what FastAPI can't read off the handler."""
    responses: dict[int, dict[str, Any]] = {
        status: {"model": Problem, "description": problem(status)["message"]} for status in operation.refusals
    }
    if operation.headers:
        responses[operation.status] = {"headers": described_headers(operation)}
    return {"operation_id": operation.name, "summary": operation.summary, "responses": responses}


class Shown(RouteContext):
    """A route as the document shows it: once, though HEAD answers wherever GET does."""

    @property
    def methods(self) -> set[str]:
        """Return the methods without HEAD."""
        return (super().methods or set()) - {"HEAD"}


class Described(FastAPI):
    """An application without FastAPI's own pages, which would load scripts from elsewhere."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - FastAPI's own
        super().__init__(title=TITLE, version=VERSION, docs_url=None, redoc_url=None, **settings)

    def openapi(self) -> dict[str, Any]:
        """Return the document; it is made at the first request and kept."""
        if self.openapi_schema is None:
            routes = [Shown(**vars(route)) for route in iter_route_contexts(self.routes)]
            self.openapi_schema = get_openapi(title=self.title, version=self.version, routes=routes)
        return self.openapi_schema


def add_pages(app: FastAPI) -> None:
    """Add the pages that show the document."""
    app.add_route("/docs", docs, include_in_schema=False)
    app.add_route("/redoc", redoc, include_in_schema=False)


async def docs(_request: Request) -> HTMLResponse:
    """Show the document by Swagger UI."""
    from domain import pages  # two megabytes of scripts, which no other request needs

    return HTMLResponse(pages.swagger())


async def redoc(_request: Request) -> HTMLResponse:
    """Show the document by Redoc."""
    from domain import pages  # as above

    return HTMLResponse(pages.redoc())
