"""A seeded database, and how the harness itself reaches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import psycopg

from harness.ground.errors import EnvironmentUnfit
from harness.ground.redaction import redact
from harness.machine.backends.backend import Party
from harness.machine.custody.journal import server_of
from harness.machine.services.postgres_seeding import reset_documents

VARIABLE = "WEBDYNO_POSTGRES_URL"
"""Names the user's own server to the harness, and the seeded database to a SUT."""


@dataclass(slots=True)
class PostgresService:
    """A seeded database that SUTs can reach."""

    url: str = field(repr=False)
    """For SUTs; it holds a password."""
    party: Party | None
    """The server's processes; None for a user's server, whose CPU we can't see."""
    version: str
    origin: str
    """`wheel`, `path`, `image` or `url`."""
    _owner: str = field(repr=False)
    """The URL for the harness itself, which may change everything there."""
    _undo: Callable[[], None] = field(repr=False)
    name: str = "postgres"

    @property
    def variables(self) -> Mapping[str, str]:
        """Return what a SUT's environment must hold."""
        return {VARIABLE: self.url}

    @property
    def for_clients(self) -> Mapping[str, str]:
        """Return nothing: no user of a SUT sees its database."""
        return {}

    def reset(self) -> None:
        """Take away whatever a SUT added; raises EnvironmentUnfit."""
        try:
            with connect(self._owner) as connection:
                reset_documents(connection)
        except psycopg.Error as error:
            raise EnvironmentUnfit(
                f"the database can't be brought back to its first rows: {in_words(error)}",
                where=server_of(self._owner),
                remedy="postgres.log in the run's folder may say why",
            ) from error

    def stop(self) -> None:
        """End the server, or drop the database; harmless when repeated."""
        undo, self._undo = self._undo, _nothing
        undo()


def connect(url: str) -> psycopg.Connection:
    """Connect in autocommit; no wait is without a bound."""
    return psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=5,
        options="-c statement_timeout=120s",
        application_name="webdyno",
    )


def database_name(run: str) -> str:
    """Return a name that fits into PostgreSQL's 63 bytes."""
    return f"webdyno_{run}"[:63]


def in_words(error: psycopg.Error) -> str:
    """Return an error in one line without credentials."""
    return redact(" ".join(str(error).split()))[:300]


def _nothing() -> None:
    """Stand for an undoing that is done."""
