"""Metrics in the format of Prometheus, where the settings switch them on."""

from __future__ import annotations

from fastapi import FastAPI


def add_metrics(app: FastAPI) -> None:
    """Count the app's requests, and answer `GET /metrics`."""
    from prometheus_fastapi_instrumentator import Instrumentator  # who keeps no metrics need not load it

    Instrumentator().instrument(app).expose(app, include_in_schema=False)
