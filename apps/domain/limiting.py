"""How often one client may ask for a model's work: a fixed window in Valkey, counted by `limits`.

Once for threads, once for an event loop; Flask's own extension does the same on the same library. All send
the same commands: one script (INCRBY, at first with EXPIRE) for each request, GET and TTL for a refused one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from limits import RateLimitItem, aio, parse, storage, strategies
from limits.errors import StorageError

from domain.problems import Unavailable

SCOPE = "ai"
"""What is counted together: a client has one budget for all operations that are limited."""
OPTIONS: dict[str, Any] = {
    "socket_connect_timeout": 4.0,
    "socket_timeout": 4.0,
    "lib_name": None,  # else two more commands for each new connection
    "lib_version": None,
    "wrap_exceptions": True,
}
"""Of the connections to Valkey; the same as the cache's."""


class Limiter:
    """For threads."""

    def __init__(self, limit: str, valkey_url: str) -> None:
        """Connect to nothing yet."""
        self._limit = parse(limit)
        self._window = strategies.FixedWindowRateLimiter(
            storage.storage_from_string(uri(valkey_url), **OPTIONS)
        )

    def count(self, client: str) -> int | None:
        """Count a request; return in how many seconds the client may ask again, None where it may now.

        Raises Unavailable where Valkey does not answer.
        """
        with _available():
            if self._window.hit(self._limit, client, SCOPE):
                return None
            return retry_after_s(
                self._limit, self._window.get_window_stats(self._limit, client, SCOPE).reset_time
            )


class AsyncLimiter:
    """For an event loop."""

    def __init__(self, limit: str, valkey_url: str) -> None:
        """Connect to nothing yet."""
        self._limit = parse(limit)
        self._window = aio.strategies.FixedWindowRateLimiter(
            storage.storage_from_string(f"async+{uri(valkey_url)}", **OPTIONS)
        )

    async def count(self, client: str) -> int | None:
        """Count a request; see `Limiter.count`."""
        with _available():
            if await self._window.hit(self._limit, client, SCOPE):
                return None
            stats = await self._window.get_window_stats(self._limit, client, SCOPE)
            return retry_after_s(self._limit, stats.reset_time)


def uri(valkey_url: str) -> str:
    """Return a server's URL as `limits` wants it for its client of Valkey; the one of Redis must be old."""
    return f"valkey{valkey_url.removeprefix('redis')}"


def retry_after_s(limit: RateLimitItem, reset_time_s: float) -> int:
    """Return in how many seconds a window is over for sure: Valkey's TTL is rounded to the nearest second."""
    return min(limit.get_expiry(), max(1, math.ceil(reset_time_s - time.time() + 0.5)))


@contextmanager
def _available() -> Iterator[None]:
    """Tell a server that does not answer from all other errors."""
    try:
        yield
    except StorageError as error:
        raise Unavailable from error
