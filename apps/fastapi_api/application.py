"""The service on FastAPI: one module for each of its systems, put together here."""

from __future__ import annotations

from domain.basics import HEALTHZ, HELLO
from domain.settings import Settings
from fastapi import FastAPI

from fastapi_api import classify, documents, failures, generate, history, text, token
from fastapi_api.description import Described, add_pages, described
from fastapi_api.metrics import add_metrics
from fastapi_api.resources import lifespan


async def healthz() -> dict[str, str]:
    """Tell that the worker serves."""
    return {"status": "ok"}


async def hello() -> dict[str, str]:
    """Greet."""
    return {"message": "Hello, World!"}


def create_app() -> FastAPI:
    """Make the application; what it needs is opened by its lifespan, in each worker."""
    app = Described(lifespan=lifespan, redirect_slashes=False)
    failures.add_handlers(app)
    app.add_api_route("/healthz", healthz, methods=["GET", "HEAD"], **described(HEALTHZ))
    app.add_api_route("/json", hello, methods=["GET", "HEAD"], **described(HELLO))
    for system in (history, generate, token, text, classify, documents):
        app.include_router(system.router)
    add_pages(app)
    if Settings.from_environment().metrics:
        add_metrics(app)
    return app
