"""Writes texts with LangChain and keeps them in Valkey: once for threads, once for an event loop.

Both ask the same in the same order: GET; where nothing is kept, the language model and SET.
Importing this takes a second or two and some 70 MiB, most of it LangChain's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
import redis.asyncio
from langchain_openai import ChatOpenAI
from redis.backoff import NoBackoff

from domain.problems import Unavailable
from domain.text import Cached, TextRequest, cache_key, prompt_for

_KEPT_S = 600
_CACHE: dict[str, Any] = {
    "max_connections": 16384,  # threads need one each, an event loop one for each request in flight
    "socket_connect_timeout": 4.0,
    "socket_timeout": 4.0,
    "protocol": 2,
    "driver_info": None,  # else two more commands for each new connection
}
_LLM_PATIENCE = httpx2.Timeout(5.0)
_LLM: dict[str, Any] = {
    # More would cost more: for each request httpx looks through all connections that it has.
    "limits": httpx2.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=5.0),
    "trust_env": False,
}


class Writer:
    """For threads."""

    def __init__(self, valkey_url: str, llm_url: str, llm_key: str) -> None:
        """Connect to nothing yet."""
        retry = redis.retry.Retry(NoBackoff(), 0)
        pool = redis.ConnectionPool.from_url(valkey_url, retry=retry, **_CACHE)
        self._cache = redis.Redis.from_pool(pool)
        self._http = httpx2.Client(**_LLM)
        self._model = _model(llm_url, llm_key, http_client=self._http)

    def write(self, request: TextRequest) -> tuple[str, Cached]:
        """Return the text, and where it is from; raises Unavailable where a service does not answer."""
        key = cache_key(request)
        with _available():
            kept: Any = self._cache.get(key)
            if kept is not None:
                return kept.decode(), "hit"
            text = str(self._model.invoke(prompt_for(request)).text)
            self._cache.set(key, text, ex=_KEPT_S)
        return text, "miss"

    def close(self) -> None:
        """Close all connections."""
        self._cache.close()
        self._http.close()


class AsyncWriter:
    """For an event loop."""

    def __init__(self, valkey_url: str, llm_url: str, llm_key: str) -> None:
        """Connect to nothing yet."""
        retry = redis.asyncio.retry.Retry(NoBackoff(), 0)
        pool = redis.asyncio.ConnectionPool.from_url(valkey_url, retry=retry, **_CACHE)
        self._cache = redis.asyncio.Redis.from_pool(pool)
        self._http = httpx2.AsyncClient(**_LLM)
        self._model = _model(llm_url, llm_key, http_async_client=self._http)

    async def write(self, request: TextRequest) -> tuple[str, Cached]:
        """Return the text, and where it is from; raises Unavailable where a service does not answer."""
        key = cache_key(request)
        with _available():
            kept: Any = await self._cache.get(key)
            if kept is not None:
                return kept.decode(), "hit"
            text = str((await self._model.ainvoke(prompt_for(request))).text)
            await self._cache.set(key, text, ex=_KEPT_S)
        return text, "miss"

    async def close(self) -> None:
        """Close all connections."""
        await self._cache.aclose()
        await self._http.aclose()


def _model(url: str, key: str, **clients: Any) -> ChatOpenAI:  # noqa: ANN401 - LangChain's own type for them
    return ChatOpenAI(
        model="gpt-4o-mini",
        temperature=0.7,
        base_url=url,
        api_key=key,
        timeout=_LLM_PATIENCE,  # what the HTTP client itself is told is not heeded
        max_retries=0,
        use_responses_api=False,
        **clients,
    )


@contextmanager
def _available() -> Iterator[None]:
    """Tell a service that refuses, hangs or fails from all other errors."""
    try:
        yield
    except (
        redis.ConnectionError,
        redis.TimeoutError,
        openai.APIConnectionError,
        openai.InternalServerError,
        openai.RateLimitError,
    ) as error:
        raise Unavailable from error
