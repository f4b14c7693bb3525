"""The JSON Schemas of the files that users write, made from the models that read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from harness.records.claims import ClaimsKeys
from harness.records.contract import CasesKeys
from harness.records.manifest import ManifestKeys
from harness.records.plan import SuiteKeys

FILES: Mapping[str, type[BaseModel]] = {
    "variant": ManifestKeys,
    "suite": SuiteKeys,
    "claims": ClaimsKeys,
    "cases": CasesKeys,
}
"""By the kind of file, the keys that its reader takes."""


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a kind of file: keys, types, bounds, descriptions."""
    made = FILES[kind].model_json_schema(schema_generator=_Untitled)
    return {"$schema": GenerateJsonSchema.schema_dialect, **made}


class _Untitled(GenerateJsonSchema):
    """Leaves out titles, which would be the classes' and fields' names over again."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return a model's schema."""
        return {key: value for key, value in super().model_schema(schema).items() if key != "title"}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - pydantic's signature
        """Return that no field gets one."""
        return False
