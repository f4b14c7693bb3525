"""Documents, whose content is sealed before the database sees it."""

from __future__ import annotations

from domain.bounded_asyncpg import connected
from domain.documents import (
    ADD_DOCUMENT,
    ADD_NUMBERED,
    DOCUMENT,
    NOTE_NUMBERED,
    READ_NUMBERED,
    Added,
    Document,
    NewDocument,
    location,
)
from domain.row_id import RowId
from fastapi import APIRouter, Depends, HTTPException, Response

from fastapi_api.bodies import BoundedRoute, require_json
from fastapi_api.description import described
from fastapi_api.resources import Database, Documents, get_pool, get_vault


class DocumentRoute(BoundedRoute):
    """A route that asks for database and key before it reads a body."""

    needs = (get_pool, get_vault)


router = APIRouter(route_class=DocumentRoute)


@router.post(
    "/api/ai/documents", status_code=201, dependencies=[Depends(require_json)], **described(ADD_DOCUMENT)
)
async def add_document(document: NewDocument, pool: Database, vault: Documents, response: Response) -> Added:
    """Keep a document, and note that it was added, both or neither."""
    sealed = vault.seal(document)
    async with connected(pool) as connection, connection.transaction():
        document_id = await connection.fetchval(ADD_NUMBERED, document.title, sealed)
        await connection.execute(NOTE_NUMBERED, document_id)
    response.headers["Location"] = location(document_id)
    return {"id": document_id}


@router.api_route("/api/ai/documents/{document_id}", methods=["GET", "HEAD"], **described(DOCUMENT))
async def document(document_id: RowId, pool: Database, vault: Documents) -> Document:
    """Return a document as it was given."""
    async with connected(pool) as connection:
        row = await connection.fetchrow(READ_NUMBERED, document_id)
    if row is None:
        raise HTTPException(404)
    return vault.open(document_id, *row)
