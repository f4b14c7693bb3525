"""Gunicorn's worker that serves ASGI by Uvicorn, set up as `fastapi-uvicorn` is."""

from typing import Any, ClassVar

from uvicorn_worker import UvicornWorker


class Worker(UvicornWorker):  # type: ignore[misc]  # uvicorn-worker ships no types
    """What Uvicorn's command line says by `--no-access-log` and `--no-proxy-headers`; Gunicorn's can't."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        **UvicornWorker.CONFIG_KWARGS,
        "access_log": False,
        "proxy_headers": False,
    }
