"""The OpenAPI document of described views, for frameworks that have no generator of their own.

It needs apispec, so it is imported when somebody first asks for the document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from apispec import APISpec, BasePlugin
from pydantic import TypeAdapter

from domain.description import TITLE, VERSION, Operation, described_headers
from domain.problems import Problem, problem

Described = tuple[Operation, str, Mapping[str, Any]]
"""An operation, its method, and the arguments by which `APISpec.path` finds its path."""

_Mode = Literal["validation", "serialization"]
Schemas = Mapping[tuple[Any, _Mode], Any]
"""JSON schemas by an operation's name: of its body, and of its answer."""

_BODY: _Mode = "validation"
_ANSWER: _Mode = "serialization"
_PROBLEM = "a problem"
"""Stands for the one answer of all refusals."""


def document(described: Iterable[Described], plugins: Sequence[BasePlugin] = ()) -> dict[str, Any]:
    """Return the document."""
    operations = list(described)
    schemas, definitions = _schemas([operation for operation, _, _ in operations])
    spec = APISpec(TITLE, VERSION, "3.1.0", plugins)
    for name, schema in definitions.items():
        spec.components.schema(name, schema)
    if any(operation.secured for operation, _, _ in operations):
        spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    for operation, method, place in operations:
        spec.path(operations={method.lower(): _operation(operation, schemas)}, **place)
    return spec.to_dict()


def _schemas(operations: Sequence[Operation]) -> tuple[Schemas, dict[str, Any]]:
    """Return the schemas of bodies and answers, and the named ones that these refer to."""
    bodies = [(operation.name, operation.takes) for operation in operations if operation.takes is not None]
    answers = [(operation.name, operation.answers) for operation in operations] + [(_PROBLEM, Problem)]
    schemas, shared = TypeAdapter.json_schemas(
        [(name, _BODY, TypeAdapter(body)) for name, body in bodies]
        + [(name, _ANSWER, TypeAdapter(answer)) for name, answer in answers],
        ref_template="#/components/schemas/{model}",
    )
    return schemas, shared["$defs"]


def _operation(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": HTTPStatus(operation.status).phrase,
        "content": _json(schemas[operation.name, _ANSWER]),
    }
    if operation.headers:
        answer["headers"] = described_headers(operation)
    refusals = {
        str(status): {
            "description": problem(status)["message"],
            "content": _json(schemas[_PROBLEM, _ANSWER]),
        }
        for status in operation.refusals
    }
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": {str(operation.status): answer, **refusals},
    }
    if operation.path is not None:
        told["parameters"] = _parameters(operation.path.model_json_schema()["properties"])
    if operation.takes is not None:
        content = {operation.media_type: {"schema": schemas[operation.name, _BODY]}}
        told["requestBody"] = {"required": True, "content": content}
    if operation.secured:
        told["security"] = [{"bearer": []}]
    return told


def _parameters(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in properties.items()
    ]


def _json(schema: Any) -> dict[str, Any]:  # noqa: ANN401 - a JSON schema
    return {"application/json": {"schema": schema}}
