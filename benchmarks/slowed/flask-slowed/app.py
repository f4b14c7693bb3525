"""The variant flask-gunicorn with some µs of CPU more a request. For `benchmarks/verdicts.py`."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from time import thread_time_ns

import domain
from flask import Flask

SPIN_NS = int(float(os.environ["SPIN_US"]) * 1000)


def create_app() -> Flask:
    """Return the base variant's application with a loop before each request."""
    path = Path(domain.__path__[0]).parent / "flask-gunicorn" / "app.py"
    spec = importlib.util.spec_from_file_location("base", path)
    assert spec is not None
    assert spec.loader is not None
    base = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(base)
    app: Flask = base.create_app()
    app.before_request(_spin)
    return app


def _spin() -> None:
    end_ns = thread_time_ns() + SPIN_NS
    while thread_time_ns() < end_ns:
        pass
