"""A psycopg connection that does not wait for ever; for the variants whose driver is psycopg."""

from __future__ import annotations

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

from domain.patience import PATIENCE_S

T = TypeVar("T")


class Silent(psycopg.OperationalError):
    """A server that keeps the connection and does not answer."""


class BoundedConnection(psycopg.Connection[Any]):
    """Gives a statement up whose answer does not come; the pool then closes the connection."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = PATIENCE_S) -> T:
        """Wait for the server; raises Silent where it says nothing."""
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:  # else it is lost, which is known
                raise Silent(f"no answer within {PATIENCE_S:g} s") from error
            raise
