"""A run's findings as lines for the terminal."""

from __future__ import annotations

from dataclasses import replace

from synthetic import recorded

from harness.ground.model import Load
from harness.judgement.judge import judge
from harness.judgement.rules import BY_CODE
from harness.output.findings import in_words
from harness.output.report import trust
from harness.records.summary import CellFinding


def test_both_bounds_of_a_rule_are_told() -> None:
    """One cell of two that is unsteady in its rate and its p99 has a line for each, and is not all cells."""
    summary = judge(recorded())
    first, second = summary.cells[:2]
    twice = tuple(
        CellFinding("unsteady", "warning", 30.0, bound, (1,), "wait longer")
        for bound in ("<= 20 %", "<= 5 %")
    )
    cells = (replace(first, findings=twice), replace(second, findings=()))
    name = f"{first.scenario} · {first.variant.label}"
    assert list(in_words(replace(summary, cells=cells))) == [
        f"warning: unsteady, bound: <= 20 % ({name}): wait longer",
        f"warning: unsteady, bound: <= 5 % ({name}): wait longer",
    ]


def test_what_else_ran_is_told_in_one_line() -> None:
    """Reasons that differ by what else ran make one finding of all cells, with all of them and one remedy."""
    summary = judge(recorded())
    remedy = BY_CODE["host-noise"].remedy
    noisy = [
        CellFinding("host-noise", "warning", 9.0, "<= 5 %", (trial,), f"most of it by {name}: {remedy}")
        for trial, name in enumerate(("cron", "apt", "cron"))
    ]
    unknown = CellFinding(
        "host-noise", "note", None, "<= 1 %", (), "not checked: stolen time can't be read here"
    )
    first, *rest = summary.cells
    cells = (
        replace(first, findings=tuple(noisy)),
        *(replace(one, findings=(noisy[0], unknown)) for one in rest),
    )
    told = list(in_words(replace(summary, cells=cells)))
    assert told[0] == (f"warning: host-noise (all cells): most of it by cron; most of it by apt: {remedy}")
    assert told[1].startswith("note: host-noise (")  # one bound was broken, so it needs no name
    assert told[1].endswith(unknown.remedy)
    (row,), _ = trust.findings(replace(summary, cells=cells))
    assert row.where == "all cells"


def test_a_twin_is_called_so() -> None:
    """The second of an A/A pair is `(twin)`, on the terminal as in the report."""
    summary = judge(recorded())
    few = CellFinding("few-blocks", "warning", 3.0, ">= 10", (), "more blocks")
    cells = tuple(replace(one, findings=(few,) if one.variant.replica else ()) for one in summary.cells)
    told = replace(summary, cells=cells)
    (line,) = in_words(told)
    (row,), _ = trust.findings(told)
    assert " (twin)" in line
    assert " (twin) on " in row.where
    assert "#" not in line + row.where


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


def test_a_line_stays_short() -> None:
    """Of more than four places a line tells how many there are; the report's table names them where asked."""
    summary = judge(recorded())
    few = CellFinding("few-blocks", "warning", 3.0, ">= 10", (), "more blocks")
    for many in (4, 5):
        found = (replace(cell, findings=(few,)) for cell in summary.cells[:many])
        told = replace(
            summary, cells=(*found, *(replace(cell, findings=()) for cell in summary.cells[many:]))
        )
        (line,) = in_words(told)
        assert (f"(5 of {len(summary.cells)} cells)" in line) == (many == 5), line
        assert line.count(" · ") == (4 if many == 4 else 0), line
        (row,), _ = trust.findings(told)
        assert row.where.count("; ") == many - 1
        assert row.counted == (f"5 of {len(summary.cells)} cells" if many == 5 else "")
