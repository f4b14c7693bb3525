"""`summary.json`: the summary as text and back.

Keys come in the order of the dataclasses, those of mappings sorted, and floats with six significant digits,
which is more than any trial's figure holds and less than what differs between machines' last bits, so that
the same records give the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pydantic

from harness.ground.errors import UsageError
from harness.records.possible import insist_on_figures
from harness.records.summary import SCHEMA, Summary

DIGITS = 6
"""Significant digits of every float."""
_READER = pydantic.TypeAdapter(Summary)


def to_json(summary: Summary) -> str:
    """Return the text of `summary.json`, with a newline at its end."""
    return json.dumps(_plain(summary), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str, where: str = "summary.json") -> Summary:
    """Read what `to_json` wrote.

    Raises UsageError, which names `where` and the key, for text that is no summary or of another schema.
    """
    try:
        insist_on_figures(text)
        document = json.loads(text)
    except ValueError as error:
        raise UsageError(f"is not JSON: {error}", where=where, remedy=_REBUILD) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise UsageError(f"has schema {schema!r}, not {SCHEMA}", where=where, remedy=_REBUILD)
    try:
        return _READER.validate_python(document, strict=False)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UsageError(first["msg"], where=f"{where}: {key}", remedy=_REBUILD) from error


def round_figure(value: float) -> float | None:
    """Return a float with the digits that are stored; None for what is no number."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    if value is None or isinstance(value, str | int):  # most are
        return value
    if isinstance(value, float):
        return round_figure(value)
    if isinstance(value, Mapping):
        return {key: _plain(value[key]) for key in sorted(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


_REBUILD = "rebuild it from the stored trials with `webdyno report RUN`"
