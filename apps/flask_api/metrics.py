"""Metrics in the format of Prometheus, where the settings switch them on."""

from __future__ import annotations

from flask import Flask


def add_metrics(app: Flask) -> None:
    """Count the app's requests, and answer `GET /metrics`."""
    # who keeps no metrics need not load it; it has no types
    from prometheus_flask_exporter.multiprocess import (  # type: ignore[import-untyped]
        GunicornInternalPrometheusMetrics,
    )

    GunicornInternalPrometheusMetrics(app, group_by="url_rule")  # by path, each user would be a series
