"""A psycopg connection that does not wait for ever; for the variants whose driver is psycopg."""

from __future__ import annotations

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from domain.patience import PATIENCE_S

T = TypeVar("T")


class BoundedConnection(psycopg.Connection[Any]):
    """Gives a statement up whose answer does not come; the pool then closes the connection."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = PATIENCE_S) -> T:
        """Wait for the server."""
        return super().wait(gen, interval, timeout)
