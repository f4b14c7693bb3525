"""What a worker holds open from before its first request until after its last, and who may have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Annotated

from domain.bounded_asyncpg import Pool, open_pool
from domain.classifier import Classifier, open_classifier
from domain.documents import Vault
from domain.settings import Settings
from domain.tokens import Issuer
from fastapi import Depends, FastAPI, HTTPException, Request
from typing_extensions import TypedDict

if TYPE_CHECKING:
    from domain.limiting import AsyncLimiter
    from domain.writing import AsyncWriter


class State(TypedDict):
    """What the lifespan hands to every request; None where the service was started without it."""

    pool: Pool | None
    vault: Vault | None
    classifier: Classifier | None
    issuer: Issuer | None
    writer: AsyncWriter | None
    limiter: AsyncLimiter | None


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
    """Open what the settings name."""
    settings = Settings.from_environment()
    async with AsyncExitStack() as stack:
        pool = await open_pool(settings)
        if pool is not None:
            stack.push_async_callback(pool.close)
        yield {
            "pool": pool,
            "classifier": open_classifier(settings.classifier),
            "vault": open_vault(settings),
            "issuer": Issuer.of(settings),
            "writer": open_writer(stack, settings),
            "limiter": open_limiter(settings),
        }


def open_vault(settings: Settings) -> Vault | None:
    """Return what seals documents; None without a key."""
    return None if settings.document_key is None else Vault(settings.document_key)


def open_writer(stack: AsyncExitStack, settings: Settings) -> AsyncWriter | None:
    """Open what writes texts; None without a cache or a language model."""
    if settings.valkey_url is None or settings.llm_url is None or settings.llm_key is None:
        return None
    from domain.writing import AsyncWriter  # late: a worker without it is spared its memory

    writer = AsyncWriter(settings.valkey_url, settings.llm_url, settings.llm_key)
    stack.push_async_callback(writer.close)
    return writer


def open_limiter(settings: Settings) -> AsyncLimiter | None:
    """Open what counts requests; None without a limit."""
    if settings.rate_limit is None or settings.valkey_url is None:
        return None
    from domain.limiting import AsyncLimiter  # late: a worker without it is spared its memory

    return AsyncLimiter(settings.rate_limit, settings.valkey_url)


def get_pool(request: Request) -> Pool:
    """Return the worker's pool."""
    pool: Pool | None = request.state.pool
    if pool is None:
        raise HTTPException(503)
    return pool


def get_vault(request: Request) -> Vault:
    """Return what seals documents."""
    vault: Vault | None = request.state.vault
    if vault is None:
        raise HTTPException(503)
    return vault


def get_classifier(request: Request) -> Classifier:
    """Return the worker's classifier."""
    classifier: Classifier | None = request.state.classifier
    if classifier is None:
        raise HTTPException(503)
    return classifier


def get_issuer(request: Request) -> Issuer:
    """Return what issues tokens."""
    issuer: Issuer | None = request.state.issuer
    if issuer is None:
        raise HTTPException(503)
    return issuer


def get_writer(request: Request) -> AsyncWriter:
    """Return what writes texts."""
    writer: AsyncWriter | None = request.state.writer
    if writer is None:
        raise HTTPException(503)
    return writer


Database = Annotated[Pool, Depends(get_pool)]
Documents = Annotated[Vault, Depends(get_vault)]
TextClassifier = Annotated[Classifier, Depends(get_classifier)]
TokenIssuer = Annotated[Issuer, Depends(get_issuer)]
TextWriter = Annotated["AsyncWriter", Depends(get_writer)]
