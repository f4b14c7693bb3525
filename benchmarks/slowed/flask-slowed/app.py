"""The variant flask-gunicorn with some µs of CPU more a request. For `benchmarks/verdicts.py`."""

from __future__ import annotations

import os
from time import thread_time_ns

from flask import Flask
from flask_api import application

SPIN_NS = int(float(os.environ["SPIN_US"]) * 1000)


def create_app() -> Flask:
    """Return the base variant's application with a loop before each request."""
    app = application.create_app()
    app.before_request(_spin)
    return app


def _spin() -> None:
    end_ns = thread_time_ns() + SPIN_NS
    while thread_time_ns() < end_ns:
        pass
