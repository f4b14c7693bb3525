"""The service on FastAPI: one module of `api` for each of its systems, put together here."""

from __future__ import annotations

from api import failures, generate, history
from api.resources import lifespan
from fastapi import FastAPI

app = FastAPI(title="AI service", lifespan=lifespan, redirect_slashes=False)
failures.add_handlers(app)


@app.api_route("/healthz", methods=["GET", "HEAD"])
async def healthz() -> dict[str, str]:
    """Tell that the worker serves."""
    return {"status": "ok"}


@app.api_route("/json", methods=["GET", "HEAD"])
async def hello() -> dict[str, str]:
    """Greet."""
    return {"message": "Hello, World!"}


for module in (history, generate):
    app.include_router(module.router)
