"""The documentation is true: its links lead somewhere, its tables are the code's."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import click
import pytest
from documentation import (
    DOCUMENTS,
    ROOT,
    anchors,
    blocks,
    command_names,
    command_of,
    contains,
    keys,
    listed_after,
    prose_of,
    rows,
    section,
    section_with_code,
    text_of,
)

from harness.ground import errors, model
from harness.ground.observations import TrialRecord
from harness.judgement.rules import RULES
from harness.machine.services.catalogue import STARTERS
from harness.output import plots, table_formats
from harness.records import loads, manifest, plan
from harness.records.run import RunRecord


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_lead_somewhere(document: Path) -> None:
    """Every link inside the project names a file, and a heading in it, that are there."""
    prose = prose_of(text_of(str(document)))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / document.parent / name).resolve() if name else ROOT / document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), target


def test_reference_lists_every_flag() -> None:
    """The reference has a section for each command, with exactly the flags that its help shows."""
    headings = re.findall(r"^### webdyno ([a-z-]+)$", text_of("docs/reference.md"), re.MULTILINE)
    assert sorted(headings) == sorted(command_names())
    for name in command_names():
        shown = command_of(name).get_help(click.Context(command_of(name), info_name=name))
        due = set(re.findall(r"^  (--[a-z-]+)", shown, re.MULTILINE)) - {"--help"}
        assert set(keys(section("docs/reference.md", f"### webdyno {name}"))) == due, name


def test_reference_lists_every_key() -> None:
    """The tables of keys are those that the readers of the files take."""
    assert set(keys(section("docs/reference.md", "## variant.toml"))) == set(
        manifest.ManifestKeys.model_fields
    )
    suite = {*plan.SuiteKeys.model_fields, *(f"load.{key}" for key in loads.LoadKeys.model_fields)}
    suite |= {f"matrix.{key}" for key in plan._Matrix.model_fields}
    assert set(keys(section("docs/reference.md", "## Suites"))) == suite
    prose = section("docs/reference.md", "## variant.toml")
    assert all(f"`{{{name}}}`" in prose for name in manifest.PLACEHOLDERS)
    assert keys(section("docs/reference.md", "## Scenarios")) == ["NEEDS", "ENDPOINTS", "USERS", "HIT_RATE"]
    assert keys(section("docs/reference.md", "## Services")) == list(STARTERS)


def test_reference_lists_every_field_of_the_records() -> None:
    """The fields of `run.json` and `trial.json` are listed, all of them, in order."""
    for name, record in (("run.json", RunRecord), ("trial.json", TrialRecord)):
        assert listed_after(f"`{name}`:") == [field.name for field in fields(record)]


def test_example_files_are_taken(tmp_path: Path) -> None:
    """The example of a suite and that of a scenario are read without a complaint."""
    (suite,) = blocks(text_of("docs/reference.md"), "toml")
    (tmp_path / "mine.toml").write_text(suite)
    assert len(plan.load_suite(tmp_path / "mine.toml").loads) == 3
    (scenario,) = blocks(text_of("docs/reference.md"), "python")
    (tmp_path / "mine.py").write_text(scenario)
    assert manifest.find_scenarios(tmp_path)["mine"].endpoints == ("GET /json",)


def test_reference_lists_every_variable() -> None:
    """The environment variables are those that the code knows."""
    code = [*(ROOT / "harness").rglob("*.py"), *(ROOT / "apps").rglob("*.py")]
    known = {name for path in code for name in re.findall(r"\bWEBDYNO_[A-Z0-9_]+\b", path.read_text())}
    assert set(keys(section("docs/reference.md", "## Environment variables"))) == known


def test_exit_codes() -> None:
    """The exit codes are those of the errors."""
    kinds = (
        errors.GateFailed,
        errors.UsageError,
        errors.EnvironmentUnfit,
        errors.VariantFailed,
        errors.Interrupted,
    )
    due = [0, *(kind.exit_code for kind in kinds)]
    assert [int(row[0]) for row in rows(section("docs/reference.md", "## Exit codes"))] == due
    (line,) = re.findall(r"^\*\*Exit codes\.\*\*(.*?)\n\n", text_of("README.md"), re.MULTILINE | re.DOTALL)
    assert [int(code) for code in re.findall(r"(?:^|· )\s*(\d+) ", line)] == due


def test_the_example_of_a_summary_is_a_real_one() -> None:
    """The explained example is a part of the golden summary, and no key of a cell is left unexplained."""
    text = section_with_code("docs/reference.md", "<!-- example -->")
    example = json.loads(blocks(text, "json")[0])
    golden = json.loads(text_of("tests/golden/summary.json"))
    assert contains(golden, example), "the example differs from tests/golden/summary.json"
    explained = {*example["cells"][0], *keys(section("docs/reference.md", "## summary.json"))}
    assert set(golden["cells"][0]) <= explained
    assert set(golden["comparisons"][0]) == set(example["comparisons"][0])
    for key in ("cpu", "memory_mib"):
        (row,) = [row for row in rows(text) if row[0] == f"`{key}`"]
        assert set(re.findall(r"`(\w+)`", row[1])) == set(golden["cells"][0][key])


def test_the_table_of_rules_is_the_codes() -> None:
    """The method's table has every rule, in order, with the code's own words, and a source for each."""
    table = re.search(r"<!-- rules -->\n(.*?)<!-- /rules -->", text_of("docs/method.md"), re.DOTALL)
    assert table
    written = rows(table[1])
    due = [[f"`{rule.code}`", rule.severity, rule.rule, rule.threshold] for rule in RULES]
    assert [row[:4] for row in written] == due
    assert all(len(row) == 5 and row[4] for row in written)


def test_glossary_words_have_their_home() -> None:
    """Every word's home is a file that has the name; and the words of the model are there."""
    entries = [row for row in rows(text_of("docs/glossary.md")) if len(row) == 3]
    assert len(entries) > 30
    for word, _, home in entries:
        path, *found = re.findall(r"`([^`]+)`", home)
        assert (ROOT / path).is_file(), word
        assert all(re.search(rf"\b{name}\b", text_of(path)) for name in found), word
    text = text_of("docs/glossary.md")
    assert set(get_args(model.Limiter)) == set(keys(section("docs/glossary.md", "## Limiters")))
    for value in (*get_args(model.Verdict), *get_args(model.Severity)):
        assert f"`{value}`" in text, value


def test_architecture_names_every_package() -> None:
    """The architecture's table has every package of the harness."""
    packages = {path.parent.name for path in (ROOT / "harness").glob("*/__init__.py")}
    assert set(keys(section("docs/architecture.md", "## The packages of `harness/`"))) == packages


def test_reports_list_their_files() -> None:
    """The files of a report are listed with their names."""
    listed = set(keys(text_of("reports/README.md")))
    made = {"index.html", "tables.md", "summary.json"}
    made |= {*table_formats.CSV_NAMES, *(f"{name}.png" for name in plots.NAMES)}
    assert listed == made
