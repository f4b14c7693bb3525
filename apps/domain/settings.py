"""What the environment tells a variant."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """The services that a variant was given."""

    postgres_url: str | None
    """`WEBDYNO_POSTGRES_URL`; None where the scenario needs no database."""
    db_pool_size: int
    """`WEBDYNO_DB_POOL_SIZE`: connections of one worker process, opened at its start and kept."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read them; raises ValueError where the pool's size is no positive number."""
        size = int(environment.get("WEBDYNO_DB_POOL_SIZE", "16"))
        if size < 1:
            raise ValueError(f"WEBDYNO_DB_POOL_SIZE is {size}; a pool has at least one connection")
        return cls(environment.get("WEBDYNO_POSTGRES_URL") or None, size)
