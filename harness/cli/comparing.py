"""The command that compares two runs: compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import completing, console, options
from harness.ground.errors import GateFailed, UsageError
from harness.records.project import find_project
from harness.records.seal import insist_on_seal
from harness.records.store import Results

if TYPE_CHECKING:
    from harness.judgement.changes import Compared


@click.command()
@click.argument("base", metavar="BASE", shell_complete=completing.runs)
@click.argument("new", metavar="NEW", default="latest", shell_complete=completing.runs)
@click.option(
    "--fail-if",
    "bounds",
    multiple=True,
    metavar="EXPR",
    help="End with 1 where a change passes a bound such as 'requests_per_s < -5%'; repeatable.",
)
@click.option("--anyway", is_flag=True, help="Compare also where machines or caps differ.")
@click.option("--markdown", is_flag=True, help="Print Markdown, for a job's summary.")
@options.results
@options.as_json
def compare(
    base: str,
    new: str,
    bounds: tuple[str, ...],
    anyway: bool,
    markdown: bool,
    results: Path | None,
    as_json: bool,
) -> None:
    """Compare two runs: what changed from BASE to NEW, with intervals, here and as a page in reports/."""
    from harness.judgement.changes import compare_runs, differences
    from harness.judgement.gates import broken_gates, idle_gates, parse_gate, unchecked_gates
    from harness.output import change_tables
    from harness.output.report.compared import document, write_compared
    from harness.output.report.overview import write_overview

    gates = [parse_gate(bound) for bound in bounds]
    project = find_project(Path.cwd())
    store = Results(project.results if results is None else results)
    one, other = store.find(base), store.find(new)
    if one.id == other.id:
        raise UsageError(f"{one.id} is both runs", remedy="name two; webdyno list shows them")
    for each in (one, other):
        insist_on_seal(each.folder)
    forbidding = [found for found in differences(one, other) if found.weight == "forbids"]
    if forbidding and not anyway:
        told = "; ".join(map(change_tables.difference_in_words, forbidding))
        raise UsageError(
            f"{one.id} and {other.id} can't be compared: {told}",
            remedy="measure both on one machine under the same caps, or add --anyway",
        )
    compared = compare_runs(one, other)
    changes = compared.changes
    if as_json:
        click.echo(json.dumps(document(compared)))
    elif markdown:
        click.echo(_markdown(compared), nl=False)
    else:
        _show(compared)
    page = write_compared(compared, project.reports)
    write_overview(project.reports, store)
    if not (as_json or markdown):
        console.out.print(f"page: {page}", markup=False, highlight=False)
    broken = [change_tables.broken_in_words(*each) for each in broken_gates(gates, changes)]
    unchecked = [change_tables.unchecked_in_words(*each) for each in unchecked_gates(gates, changes)]
    unchecked += map(change_tables.idle_in_words, idle_gates(gates, changes))
    if broken or unchecked:
        raise GateFailed("\n  ".join(["a bound does not hold:", *broken, *unchecked]))


def _markdown(compared: Compared) -> str:
    from harness.output import change_tables, table_formats

    lines = [f"# {compared.new.id} over {compared.base.id}", ""]
    lines += [
        f"- {one.weight}: {table_formats.guarded(change_tables.difference_in_words(one))}"
        for one in compared.differences
    ]
    return "\n".join([*lines, "", ""]) + table_formats.to_markdown(
        change_tables.build(compared.changes), change_tables.LEGEND
    )


def _show(compared: Compared) -> None:
    from harness.output import change_tables, table_formats

    for table in change_tables.build(compared.changes):
        console.out.print(table_formats.to_rich(table))
    console.out.print(change_tables.LEGEND, markup=False, highlight=False)
    for one in compared.differences:
        line = f"{one.weight}: {change_tables.difference_in_words(one)}"
        console.out.print(line, markup=False, highlight=False)
