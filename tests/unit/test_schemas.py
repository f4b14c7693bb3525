from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from harness.cli.main import run_command_line
from harness.records.schemas import FILES, schema_of

ROOT = Path(__file__).parents[2]
REAL = {
    "variant": sorted(ROOT.glob("apps/*/variant.toml")),
    "suite": sorted(ROOT.glob("scenarios/suites/*.toml")),
    "claims": sorted(ROOT.glob("claims/*.toml")),
    "cases": sorted(ROOT.glob("apps/contract/cases/*.json")),
}
"""What users write, as the project itself has it."""
WRONG: dict[str, dict[str, object]] = {
    "variant": {"framwork": "Flask"},
    "suite": {"load": [{"profile": "closed", "users": 0}]},
    "claims": {"claim": [{"id": "No Such Id", "says": "fast"}]},
    "cases": {"cases": [{"name": "without an answer"}]},
}
"""A change that makes each kind of file wrong."""


def read(path: Path) -> dict[str, Any]:
    """Return a file's document."""
    text = path.read_text(encoding="utf-8")
    document = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("kind", FILES)
def test_every_file_of_the_project_fits_its_schema(kind: str) -> None:
    """What the readers take is right for the schema, too, and a mistake is not."""
    schema = schema_of(kind)
    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.validator_for(schema)
    assert REAL[kind]
    for path in REAL[kind]:
        validator.validate(read(path))
        assert not validator.is_valid(read(path) | WRONG[kind]), path


@pytest.mark.parametrize("kind", FILES)
def test_the_schema_is_printed_with_a_word_on_each_kind(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command prints the schema; its tables are described, and have no class's name as a title."""
    assert run_command_line(["schema", kind]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == schema_of(kind)
    for table in (printed, *printed.get("$defs", {}).values()):
        assert table["description"]
        assert "title" not in table


@pytest.mark.parametrize("kind", ["variant", "suite"])
def test_every_key_is_described(kind: str) -> None:
    """An editor has a word to say on each key of a manifest and a suite."""
    schema = schema_of(kind)
    for table in (schema, *schema.get("$defs", {}).values()):
        assert all(key.get("description") for key in table["properties"].values())
