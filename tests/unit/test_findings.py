"""A run's findings as lines for the terminal."""

from __future__ import annotations

from dataclasses import replace

from synthetic import recorded

from harness.ground.model import Load
from harness.judgement.judge import judge
from harness.output.findings import in_words
from harness.output.report import trust
from harness.records.summary import CellFinding


def test_a_cell_that_breaks_both_bounds_of_a_rule_is_named_once() -> None:
    """One cell of two that is unsteady in its rate and its p99 is named, once, and is not all cells."""
    summary = judge(recorded())
    first, second = summary.cells[:2]
    twice = tuple(
        CellFinding("unsteady", "warning", 30.0, bound, (1,), "wait longer") for bound in ("5 %", "20 %")
    )
    cells = (replace(first, findings=twice), replace(second, findings=()))
    name = f"{first.scenario} · {first.variant.label}"
    assert list(in_words(replace(summary, cells=cells))) == [f"warning: unsteady ({name}): wait longer"]


def test_a_place_is_told_once_for_all_its_loads() -> None:
    """What a variant breaks on a scenario under several loads is one place, with all its trials."""
    summary = judge(recorded())
    first, second = summary.cells[:2]
    few = CellFinding("few-blocks", "warning", 3.0, ">= 10", (), "more blocks")
    late = (replace(few, trials=(5, 7)), replace(few, trials=(6,)))
    cells = (
        replace(first, load=Load("closed", 1), findings=(late[0],)),
        replace(first, load=Load("closed", 4), findings=(late[1],)),
        replace(second, findings=()),
    )
    told = replace(summary, cells=cells)
    name = f"{first.scenario} · {first.variant.label}"
    assert list(in_words(told)) == [f"warning: few-blocks ({name} (2 loads)): more blocks"]
    (row,), _ = trust.findings(told)
    assert row.where == f"{first.variant.label} on {first.scenario} (2 loads; trials 5, 6, 7)"
