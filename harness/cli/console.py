"""The two streams, and what commands show on them."""

from __future__ import annotations

from rich.console import Console

from harness.lifecycle.verify import CaseResult, failures
from harness.output import findings, table_formats, tables
from harness.records.store import StoredRun
from harness.records.summary import Summary

out = Console(soft_wrap=True)
"""Results."""
complaints = Console(stderr=True, soft_wrap=True)
"""Errors, questions, and progress where a program reads the results."""


def show_run(stored: StoredRun, summary: Summary) -> None:
    """Show a run's tables and findings, and what is missing from it."""
    for table in tables.build(summary):
        out.print(table_formats.to_rich(table))
    for line in findings.in_words(summary):
        out.print(line, markup=False, highlight=False)
    if stored.state == "incomplete":
        out.print(
            f"incomplete: {len(stored.missing)} of {stored.planned} trials are missing; "
            f"webdyno resume {stored.id} does them",
            highlight=False,
        )


def show_cases(results: dict[str, tuple[CaseResult, ...]]) -> None:
    """Show how each variant did on the contract's cases, with the differences."""
    for name, cases in results.items():
        passed = sum(case.passed is True for case in cases)
        unchecked = sum(case.passed is None for case in cases)
        out.print(f"{name}: {passed} of {len(cases)} cases pass, {unchecked} not checked", highlight=False)
        for case in failures(cases):
            out.print(f"  {case.name}", style="red", markup=False, highlight=False)
            for line in case.difference.splitlines():
                out.print(f"    {line}", markup=False, highlight=False)
