"""What a worker holds open from before its first request until after its last, and who may have it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import asyncpg
from domain.classifier import Classifier, open_classifier
from domain.documents import Vault
from domain.patience import PATIENCE_S
from domain.settings import Settings
from fastapi import Depends, FastAPI, HTTPException, Request
from typing_extensions import TypedDict

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool = asyncpg.Pool[asyncpg.Record]  # generic in its type stubs alone
    Connection = PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool


class State(TypedDict):
    """What the lifespan hands to every request; None where the service was started without it."""

    pool: Pool | None
    vault: Vault | None
    classifier: Classifier | None


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
    """Open what the settings name."""
    settings = Settings.from_environment()
    async with AsyncExitStack() as stack:
        yield {
            "pool": await open_pool(stack, settings),
            "classifier": open_classifier(settings.classifier),
            "vault": open_vault(settings),
        }


async def keep_session(_connection: object) -> None:
    """Replace asyncpg's reset query: the service changes nothing in a session that would need one."""


async def open_pool(stack: AsyncExitStack, settings: Settings) -> Pool | None:
    """Open the worker's database connections; None without a database."""
    if settings.postgres_url is None:
        return None
    size = settings.db_pool_size
    return await stack.enter_async_context(
        asyncpg.create_pool(settings.postgres_url, min_size=size, max_size=size, reset=keep_session)
    )


def open_vault(settings: Settings) -> Vault | None:
    """Return what seals documents; None without a key."""
    return None if settings.document_key is None else Vault(settings.document_key)


@asynccontextmanager
async def connected(pool: Pool) -> AsyncIterator[Connection]:
    """Hold a connection of the pool; raises TimeoutError where the server says nothing any more."""
    async with asyncio.timeout(PATIENCE_S), pool.acquire() as connection:
        try:
            yield connection
        except asyncio.CancelledError:
            connection.terminate()  # else its release would wait for the answer
            raise


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


Database = Annotated[Pool, Depends(get_pool)]
Documents = Annotated[Vault, Depends(get_vault)]
TextClassifier = Annotated[Classifier, Depends(get_classifier)]
