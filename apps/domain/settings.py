"""What the environment tells a variant."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """The services, secrets and switches that a variant was given; None where it was not."""

    postgres_url: str | None
    """`WEBDYNO_POSTGRES_URL`."""
    db_pool_size: int
    """`WEBDYNO_DB_POOL_SIZE`: connections of one worker process, opened at its start and kept."""
    valkey_url: str | None
    """`WEBDYNO_VALKEY_URL`, such as `redis://:password@127.0.0.1:6379/0`."""
    llm_url: str | None
    """`WEBDYNO_LLM_URL`: the base of an OpenAI-compatible server, such as `http://127.0.0.1:9000/v1`."""
    llm_key: str | None
    """`WEBDYNO_LLM_KEY`: what that server is told."""
    classifier: str | None
    """`WEBDYNO_CLASSIFIER`: the path of an ONNX model."""
    jwt_key: str | None
    """`WEBDYNO_JWT_KEY`: signs the tokens of `POST /token`."""
    password: str | None
    """`WEBDYNO_PASSWORD`: the password of the one user, `webdyno`."""
    document_key: bytes | None
    """`WEBDYNO_DOCUMENT_KEY`: 32 bytes as 64 hexadecimal digits; seals the documents' content."""
    rate_limit: str | None
    """`WEBDYNO_RATE_LIMIT`, such as `60/minute`: how often a client may ask; Valkey counts."""
    metrics: bool
    """`WEBDYNO_METRICS=1`: whether `GET /metrics` is there; `PROMETHEUS_MULTIPROC_DIR` goes with it."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read them; raises ValueError, in words, for one that is no such thing or lacks what it needs."""
        size = int(environment.get("WEBDYNO_DB_POOL_SIZE", "16"))
        if size < 1:
            raise ValueError(f"WEBDYNO_DB_POOL_SIZE is {size}; a pool has at least one connection")
        metrics = environment.get("WEBDYNO_METRICS") == "1"
        if metrics and not environment.get("PROMETHEUS_MULTIPROC_DIR"):
            raise ValueError("WEBDYNO_METRICS is 1; PROMETHEUS_MULTIPROC_DIR names no folder for the workers")
        key = environment.get("WEBDYNO_DOCUMENT_KEY")
        if key and len(bytes.fromhex(key)) != 32:
            raise ValueError("WEBDYNO_DOCUMENT_KEY is not 32 bytes")
        return cls(
            postgres_url=environment.get("WEBDYNO_POSTGRES_URL") or None,
            db_pool_size=size,
            valkey_url=environment.get("WEBDYNO_VALKEY_URL") or None,
            llm_url=environment.get("WEBDYNO_LLM_URL") or None,
            llm_key=environment.get("WEBDYNO_LLM_KEY") or None,
            classifier=environment.get("WEBDYNO_CLASSIFIER") or None,
            jwt_key=environment.get("WEBDYNO_JWT_KEY") or None,
            password=environment.get("WEBDYNO_PASSWORD") or None,
            document_key=bytes.fromhex(key) if key else None,
            rate_limit=_rate_limit(environment),
            metrics=metrics,
        )


def _rate_limit(environment: Mapping[str, str]) -> str | None:
    limit = environment.get("WEBDYNO_RATE_LIMIT")
    if not limit:
        return None
    if re.fullmatch("[1-9][0-9]{0,8}/(second|minute|hour|day)", limit) is None:
        raise ValueError(
            f"WEBDYNO_RATE_LIMIT is {limit!r}; it is a number, a slash, and second, minute, hour or day"
        )
    if not environment.get("WEBDYNO_VALKEY_URL"):
        raise ValueError("WEBDYNO_RATE_LIMIT is set; WEBDYNO_VALKEY_URL names no server that could count")
    return limit
