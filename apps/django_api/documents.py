"""Documents, whose content is sealed before the database sees it."""

from __future__ import annotations

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from domain.description import described
from domain.documents import (
    ADD_DOCUMENT,
    ADD_FORMAT,
    DOCUMENT,
    NOTE_FORMAT,
    READ_FORMAT,
    DocumentPath,
    NewDocument,
    location,
)

from django_api.answers import Refused, answering, json_body
from django_api.resources import get_vault, require_database


@answering("POST")
@described(ADD_DOCUMENT)
def add_document(request: HttpRequest) -> HttpResponse:
    """Keep a document, and note that it was added, both or neither."""
    require_database()
    vault = get_vault()
    document = NewDocument.model_validate(json_body(request))
    sealed = vault.seal(document)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ADD_FORMAT, (document.title, sealed))
        (document_id,) = cursor.fetchone()
        cursor.execute(NOTE_FORMAT, (document_id,))
    return JsonResponse({"id": document_id}, status=201, headers={"Location": location(document_id)})


@answering("GET", "HEAD")
@described(DOCUMENT)
def document(_request: HttpRequest, document_id: str) -> HttpResponse:
    """Return a document as it was given."""
    require_database()
    vault = get_vault()
    number = DocumentPath.model_validate({"document_id": document_id}).document_id
    with connection.cursor() as cursor:
        cursor.execute(READ_FORMAT, (number,))
        row = cursor.fetchone()
    if row is None:
        raise Refused(404)
    return JsonResponse(vault.open(number, *row))


urls = [
    path("api/ai/documents", add_document),
    path("api/ai/documents/<str:document_id>", document),
]
