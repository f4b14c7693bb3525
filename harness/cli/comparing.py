"""The command that compares two runs: compare."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import console, options
from harness.ground.errors import GateFailed, UsageError
from harness.records.project import find_project
from harness.records.store import Results, insist_on_seal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judgement.changes import Change, Difference


@click.command()
@click.argument("base", metavar="BASE")
@click.argument("new", metavar="NEW", default="latest")
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
    """Compare two runs: what changed from BASE to NEW, with intervals."""
    from harness.judgement.changes import changes_between, differences
    from harness.judgement.gates import broken_gates, idle_gates, parse_gate, unchecked_gates
    from harness.output import change_tables

    gates = [parse_gate(bound) for bound in bounds]
    project = find_project(Path.cwd())
    store = Results(project.results if results is None else results)
    one, other = store.find(base), store.find(new)
    if one.id == other.id:
        raise UsageError(f"{one.id} is both runs", remedy="name two; webdyno list shows them")
    for each in (one, other):
        insist_on_seal(each)
    differing = differences(one, other)
    forbidding = [found for found in differing if found.weight == "forbids"]
    if forbidding and not anyway:
        told = "; ".join(map(change_tables.difference_in_words, forbidding))
        raise UsageError(
            f"{one.id} and {other.id} can't be compared: {told}",
            remedy="measure both on one machine under the same caps, or add --anyway",
        )
    changes = changes_between(one, other)
    if as_json:
        click.echo(json.dumps(_document(one.id, other.id, differing, changes)))
    elif markdown:
        click.echo(_markdown(one.id, other.id, differing, changes), nl=False)
    else:
        _show(differing, changes)
    broken = [change_tables.broken_in_words(*each) for each in broken_gates(gates, changes)]
    unchecked = [change_tables.unchecked_in_words(*each) for each in unchecked_gates(gates, changes)]
    unchecked += map(change_tables.idle_in_words, idle_gates(gates, changes))
    if broken or unchecked:
        raise GateFailed("\n  ".join(["a bound does not hold:", *broken, *unchecked]))


def _document(
    base: str, new: str, differing: Sequence[Difference], changes: Sequence[Change]
) -> dict[str, object]:
    return {
        "schema": 1,
        "base": base,
        "new": new,
        "differences": [asdict(one) for one in differing],
        "changes": [asdict(change) for change in changes],
    }


def _markdown(base: str, new: str, differing: Sequence[Difference], changes: Sequence[Change]) -> str:
    from harness.output import change_tables, table_formats

    lines = [f"# {new} over {base}", ""]
    words = [table_formats.guarded(change_tables.difference_in_words(one)) for one in differing]
    lines += [f"- {one.weight}: {text}" for one, text in zip(differing, words, strict=True)]
    return "\n".join([*lines, "", ""]) + table_formats.to_markdown(
        change_tables.build(changes), change_tables.LEGEND
    )


def _show(differing: Sequence[Difference], changes: Sequence[Change]) -> None:
    from harness.output import change_tables, table_formats

    for table in change_tables.build(changes):
        console.out.print(table_formats.to_rich(table))
    console.out.print(change_tables.LEGEND, markup=False, highlight=False)
    for one in differing:
        line = f"{one.weight}: {change_tables.difference_in_words(one)}"
        console.out.print(line, markup=False, highlight=False)
