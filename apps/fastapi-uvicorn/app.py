"""The service on FastAPI: one module of `api` for each of its systems, put together here."""

from __future__ import annotations

from api import classify, documents, failures, generate, history, text, token
from api.description import Described, add_pages, described
from api.metrics import add_metrics
from api.resources import lifespan
from domain.basics import HEALTHZ, HELLO
from domain.settings import Settings

app = Described(lifespan=lifespan, redirect_slashes=False)
failures.add_handlers(app)


@app.api_route("/healthz", methods=["GET", "HEAD"], **described(HEALTHZ))
async def healthz() -> dict[str, str]:
    """Tell that the worker serves."""
    return {"status": "ok"}


@app.api_route("/json", methods=["GET", "HEAD"], **described(HELLO))
async def hello() -> dict[str, str]:
    """Greet."""
    return {"message": "Hello, World!"}


for module in (history, generate, token, text, classify, documents):
    app.include_router(module.router)
add_pages(app)
if Settings.from_environment().metrics:
    add_metrics(app)
