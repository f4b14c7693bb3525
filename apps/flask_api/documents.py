"""Documents, whose content is sealed before the database sees it."""

from __future__ import annotations

from domain.description import described
from domain.documents import (
    ADD_DOCUMENT,
    ADD_FORMAT,
    DOCUMENT,
    NOTE_FORMAT,
    READ_FORMAT,
    Added,
    Document,
    DocumentPath,
    NewDocument,
    location,
)
from flask import Blueprint, abort

from flask_api.bodies import json_body
from flask_api.resources import get_pool, get_vault

routes = Blueprint("documents", __name__)


@routes.post("/api/ai/documents")
@described(ADD_DOCUMENT)
def add_document() -> tuple[Added, int, dict[str, str]]:
    """Keep a document, and note that it was added, both or neither."""
    pool, vault = get_pool(), get_vault()
    document = NewDocument.model_validate(json_body())
    sealed = vault.seal(document)
    with pool.connection() as connection, connection.transaction():
        (document_id,) = connection.execute(ADD_FORMAT, (document.title, sealed)).fetchall()[0]
        connection.execute(NOTE_FORMAT, (document_id,))
    return {"id": document_id}, 201, {"Location": location(document_id)}


@routes.get("/api/ai/documents/<document_id>")
@described(DOCUMENT)
def document(document_id: str) -> Document:
    """Return a document as it was given."""
    pool, vault = get_pool(), get_vault()
    number = DocumentPath.model_validate({"document_id": document_id}).document_id
    with pool.connection() as connection:
        row = connection.execute(READ_FORMAT, (number,)).fetchone()
    if row is None:
        abort(404)
    return vault.open(number, *row)
