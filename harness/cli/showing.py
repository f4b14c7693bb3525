"""What commands show of runs, cases and calibrations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import click
from rich.table import Table as RichTable

from harness.cli.console import out
from harness.ground.observations import Ceiling
from harness.lifecycle.peers import PeerReading, summarise
from harness.lifecycle.verify import CaseResult, failures
from harness.output import findings, table_formats, tables
from harness.output.report.digest import headline_of
from harness.records.run import StoredRun
from harness.records.summary import Summary


def show_run(stored: StoredRun, summary: Summary) -> None:
    """Show a run's tables, findings and answer, and what is missing from it."""
    for table in tables.build(summary):
        out.print(table_formats.to_rich(table))
    out.print(f"{table_formats.LEGEND} * marks the best.", markup=False, highlight=False)
    for line in findings.in_words(summary):
        out.print(line, markup=False, highlight=False)
    out.print(headline_of(summary), style="bold", markup=False, highlight=False)
    if stored.state == "incomplete":
        numbers = ", ".join(map(str, stored.missing[:20])) + (", …" if len(stored.missing) > 20 else "")
        out.print(
            f"incomplete: {len(stored.missing)} of {stored.planned} trials are missing ({numbers}); "
            f"webdyno resume {stored.id} does them"
            if stored.missing
            else f"incomplete: every trial is done; webdyno resume {stored.id} seals the run",
            highlight=False,
        )


def show_cases(results: dict[str, tuple[CaseResult, ...]], logs: Mapping[str, str]) -> None:
    """Show how each variant did on the contract's cases, with the differences, and the ends of their logs."""
    for name, cases in results.items():
        passed = sum(case.passed is True for case in cases)
        unchecked = Counter(case.difference for case in cases if case.passed is None)
        why = "; ".join(f"{count} {reason}" for reason, count in unchecked.items())
        out.print(
            f"{name}: {passed} of {len(cases)} cases pass{f' ({why})' if why else ''}",
            markup=False,
            highlight=False,
        )
        for case in failures(cases):
            out.print(f"  {case.name}", style="red", markup=False, highlight=False)
            for line in case.difference.splitlines():
                out.print(f"    {line}", markup=False, highlight=False)
        if log := logs.get(name):
            out.print("  the last lines of its log:", markup=False, highlight=False)
            for line in log.splitlines():
                out.print(f"    {line}", markup=False, highlight=False)


def show_ceilings(ceilings: Sequence[Ceiling], *, as_json: bool) -> None:
    """Show how fast the generator is with each scenario."""
    if as_json:
        click.echo(json.dumps([asdict(ceiling) for ceiling in ceilings]))
        return
    for ceiling in ceilings:
        rate, cost = ceiling.requests_per_s, ceiling.generator_us_per_request
        shown = "not measured" if rate is None else f"{rate:,.0f} requests/s"
        shown += "" if cost is None else f", {cost:.1f} µs of its CPU a request"
        out.print(f"{ceiling.scenario}: {shown}", highlight=False)


def show_peers(readings: Sequence[PeerReading], *, as_json: bool) -> None:
    """Show generators beside each other: medians over the rounds, with the least and the greatest."""
    summaries = summarise(readings)
    if as_json:
        click.echo(
            json.dumps(
                {"rounds": [asdict(one) for one in readings], "summary": [asdict(one) for one in summaries]}
            )
        )
        return
    table = RichTable("generator", "users", "requests/s", "× wrk", "CPU µs/request", "FastHttpUser's ÷ it")
    for one in summaries:
        low, median, high = one.requests_per_s
        cost = one.cpu_us_per_request
        table.add_row(
            one.generator,
            str(one.users),
            f"{median:,.0f} ({low:,.0f} to {high:,.0f})",
            "–" if one.of_wrk is None else f"{one.of_wrk:.2f}",
            "–" if cost is None else f"{cost[1]:.1f} ({cost[0]:.1f} to {cost[2]:.1f})",
            "–" if one.cpu_of_fast_http_user is None else f"{one.cpu_of_fast_http_user:.1f}",
        )
    out.print(table)
