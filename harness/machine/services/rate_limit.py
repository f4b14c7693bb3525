"""How often a client may ask a SUT for a model's work; the cache that the SUT is given counts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

VARIABLE = "WEBDYNO_RATE_LIMIT"
LIMIT = "10/hour"
"""Few, so that a client comes to its end in a few requests; the period outlasts every trial."""
WIDE_LIMIT = "100000000/hour"
"""More than any client asks: each request is counted, and none refused."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A number; no process belongs to it, and what is counted lies in Valkey."""

    name: str
    limit: str
    origin: str = "the same in every run"
    party: None = None

    @property
    def version(self) -> str:
        """Return the limit, for the record."""
        return self.limit

    @property
    def variables(self) -> Mapping[str, str]:
        """Return the limit, for a SUT."""
        return {VARIABLE: self.limit}

    @property
    def for_clients(self) -> Mapping[str, str]:
        """Return nothing: a client learns of the limit by being refused."""
        return {}

    def reset(self) -> None:
        """Do nothing: Valkey is emptied before every SUT."""

    def stop(self) -> None:
        """Do nothing: nothing runs."""
