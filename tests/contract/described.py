"""OpenAPI documents, made comparable: what they ask of a client, without words and ways of writing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

Described = dict[str, dict[str, Any]]
"""By operation, such as `GET /json`: name, parameters, body, statuses, headers, whether a token is due."""

_WORDS = ("title", "description", "summary", "examples")


def contract(python: str, path: Path) -> Described:
    """Return what the contract asks; `python` is an interpreter that has PyYAML."""
    script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1], encoding='utf-8'))))"
    read = subprocess.run((python, "-I", "-c", script, path), capture_output=True, check=True)
    return described(json.loads(read.stdout))


def described(document: dict[str, Any]) -> Described:
    """Return what a document asks."""
    return {
        f"{method.upper()} {path}": {
            "name": operation["operationId"],
            "parameters": sorted(
                (
                    parameter["name"],
                    parameter["in"],
                    parameter.get("required", False),
                    _written(schema(parameter["schema"], document)),
                )
                for parameter in operation.get("parameters", [])
            ),
            "body": _body(operation.get("requestBody"), document),
            "statuses": sorted(operation["responses"]),
            "headers": {
                status: sorted(answer["headers"])
                for status, answer in operation["responses"].items()
                if status < "400" and answer.get("headers")  # those of errors are the same everywhere
            },
            "secured": bool(operation.get("security")),
        }
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def schema(written: Any, document: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON schema with its references followed, in one of the ways in which it may be written."""
    if isinstance(written, list):
        return [schema(member, document) for member in written]
    if not isinstance(written, dict):
        return written
    if "$ref" in written:
        rest = {key: value for key, value in written.items() if key != "$ref"}
        written = {**_target(written["$ref"], document), **rest}
    plain = {key: schema(value, document) for key, value in written.items() if key not in _WORDS}
    if "properties" in written:  # whose names may be those of words
        plain["properties"] = {name: schema(value, document) for name, value in written["properties"].items()}
    return _one_way(plain)


def _target(reference: str, document: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    found = document
    for key in reference.removeprefix("#/").split("/"):
        found = found[key]
    return found


def _one_way(plain: dict[str, Any]) -> dict[str, Any]:
    if "required" in plain:
        plain["required"] = sorted(plain["required"])
    if "const" in plain:
        plain["enum"] = [plain.pop("const")]
    if "enum" in plain:  # says the type of its members
        plain["enum"] = sorted(plain["enum"])
        plain.pop("type", None)
    if plain.get("default", ...) is None:  # FastAPI leaves out what is null
        del plain["default"]
    if {"type": "null"} in plain.get("anyOf", ()):
        (other,) = (choice for choice in plain.pop("anyOf") if choice != {"type": "null"})
        plain = {**plain, **other, "type": [other["type"], "null"]}
    return plain


def _body(body: dict[str, Any] | None, document: dict[str, Any]) -> object:
    if body is None:
        return None
    content = {kind: schema(told["schema"], document) for kind, told in body["content"].items()}
    return {"required": body.get("required", False), "content": content}


def _written(value: object) -> str:
    return json.dumps(value, sort_keys=True)
