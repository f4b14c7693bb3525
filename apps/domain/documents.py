"""Documents, whose content is sealed before the database sees it."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from domain.description import Operation
from domain.row_id import RowId

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_ADD = "INSERT INTO ai_document (title, sealed) VALUES ({}, {}) RETURNING id"
_NOTE = "INSERT INTO ai_document_event (document_id, kind) VALUES ({}, 'added')"
_READ = "SELECT title, sealed, created FROM ai_document WHERE id = {}"

# For drivers that number their parameters.
ADD_NUMBERED = _ADD.format("$1", "$2")
NOTE_NUMBERED = _NOTE.format("$1")
READ_NUMBERED = _READ.format("$1")

# For drivers of the DB-API's `format` style; they send the same statements to the server.
ADD_FORMAT = _ADD.format("%s", "%s")
NOTE_FORMAT = _NOTE.format("%s")
READ_FORMAT = _READ.format("%s")

_NONCE_BYTES = 12
"""What GCM is made for (NIST SP 800-38D, 5.2.1.1)."""


class NewDocument(BaseModel):
    """A document to be kept; fields that it does not name are ignored."""

    # PostgreSQL's text holds no NUL; sealed content may.
    title: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\u0000]*$")]
    content: Annotated[str, Field(min_length=1, max_length=10_000)]


class DocumentPath(BaseModel):
    """The parameters of a document's path, for frameworks that hand them over as text."""

    document_id: RowId


class Added(TypedDict):
    """The answer for a document that is kept."""

    id: int


class Document(TypedDict):
    """A document as it was given."""

    id: int
    title: str
    content: str
    created: str
    """ISO 8601 in UTC with microseconds."""


class Vault:
    """Seals and opens content by AES-256-GCM."""

    def __init__(self, key: bytes) -> None:
        """Take the key of 32 bytes."""
        # late: a worker that keeps no documents need not hold OpenSSL in its memory
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher: AESGCM = AESGCM(key)

    def seal(self, document: NewDocument) -> bytes:
        """Return a new nonce and the content under it; it opens beside the document's title alone."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, document.content.encode(), document.title.encode())

    def open(self, document_id: int, title: str, sealed: bytes, created: datetime) -> Document:
        """Return the document of a row; raises InvalidTag where somebody changed its title or content."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return {
            "id": document_id,
            "title": title,
            "content": self._cipher.decrypt(nonce, rest, title.encode()).decode(),
            "created": created.isoformat(timespec="microseconds"),
        }


def location(document_id: int) -> str:
    """Return the path of a document."""
    return f"/api/ai/documents/{document_id}"


ADD_DOCUMENT = Operation(
    "add_document",
    "Keep a document, and note that it was added, both or neither",
    answers=Added,
    status=201,
    headers={"Location": "The document's path"},
    takes=NewDocument,
    refusals=(400, 413, 415, 422, 503),
)
DOCUMENT = Operation(
    "document",
    "Return a document as it was given",
    answers=Document,
    path=DocumentPath,
    refusals=(404, 422, 503),
)
