"""The command that looks back over many runs: history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import completing, console, options
from harness.ground.errors import GateFailed, UsageError
from harness.ground.names import choose
from harness.records.project import find_project
from harness.records.run import StoredRun
from harness.records.seal import insist_on_seal
from harness.records.store import Results
from harness.records.summary_json import from_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judgement.history import LeftOut, PastRun, Series


@click.command(name="history")
@click.argument("name", metavar="RUN", default="latest", shell_complete=completing.runs)
@click.option("--metric", "metrics", multiple=True, help="Only this metric; repeatable.")
@click.option("--markdown", is_flag=True, help="Print Markdown, for a job's summary.")
@options.results
@options.as_json
def see_history(
    name: str, metrics: tuple[str, ...], markdown: bool, results: Path | None, as_json: bool
) -> None:
    """Show how figures went over all sealed runs like RUN, and where their level changed."""
    from harness.judgement.comparison import METRICS
    from harness.judgement.history import LeftOut, history, of_one_kind

    choose(metrics, METRICS, "metric")
    project = find_project(Path.cwd())
    store = Results(project.results if results is None else results)
    newest = store.find(name)
    there, left = [], []
    for each in _until(store, newest.id):
        if isinstance(each, LeftOut):
            left.append(each)
        else:
            there.append(each)
    kept, others = of_one_kind(newest, there)
    past, unread = _read(kept)
    left = sorted([*left, *others, *unread], key=lambda one: one.run)
    found = history(past, metrics or METRICS)
    if as_json:
        click.echo(json.dumps(_document(past, left, found)))
    elif markdown:
        click.echo(_markdown(past, left, found), nl=False)
    else:
        _show(past, left, found)


def _until(store: Results, newest: str) -> Iterator[StoredRun | LeftOut]:
    """Yield the runs up to one, the oldest first; a damaged one hides no other."""
    from harness.judgement.history import LeftOut

    for run_id in store.ids():
        if run_id > newest:
            return
        try:
            run = store.find(run_id)
            insist_on_seal(run.folder)
        except (GateFailed, UsageError) as error:
            yield LeftOut(run_id, f"{error.where}: {error.what}")
        else:
            yield run


def _read(runs: Sequence[StoredRun]) -> tuple[list[PastRun], list[LeftOut]]:
    from harness.judgement.history import LeftOut, PastRun

    past, left = [], []
    for run in runs:
        path = run.folder / "summary.json"
        try:
            summary = from_json(path.read_text(), str(path))
        except (OSError, UnicodeDecodeError, UsageError) as error:
            left.append(LeftOut(run.id, f"its summary can't be read: {error}"))
            continue
        if summary.run == run.id:
            past.append(PastRun(run, summary))
        else:
            left.append(LeftOut(run.id, f"its summary is of the run {summary.run!r}"))
    return past, left


def _document(past: Sequence[PastRun], left: Sequence[LeftOut], found: Sequence[Series]) -> dict[str, object]:
    return {
        "schema": 1,
        "runs": [one.stored.id for one in past],
        "left_out": [asdict(one) for one in left],
        "series": [asdict(one) for one in found],
    }


def _lines(past: Sequence[PastRun], left: Sequence[LeftOut], found: Sequence[Series]) -> list[str]:
    from harness.judgement.history import LEAST_RUNS
    from harness.output import history_tables

    lines = [*history_tables.steps_in_words(found), *history_tables.left_out_in_words(left)]
    if len(past) < 2 * LEAST_RUNS:
        lines.append(f"{len(past)} runs show no change of level; {2 * LEAST_RUNS} are needed")
    return lines


def _markdown(past: Sequence[PastRun], left: Sequence[LeftOut], found: Sequence[Series]) -> str:
    from harness.output import history_tables, table_formats

    lines = [
        "# From run to run",
        "",
        *(f"- {table_formats.guarded(one)}" for one in _lines(past, left, found)),
    ]
    tables = table_formats.to_markdown(history_tables.build(found), history_tables.LEGEND)
    return "\n".join([*lines, "", tables])


def _show(past: Sequence[PastRun], left: Sequence[LeftOut], found: Sequence[Series]) -> None:
    from harness.output import history_tables, table_formats

    for table in history_tables.build(found):
        console.out.print(table_formats.to_rich(table))
    console.out.print(history_tables.LEGEND, markup=False, highlight=False)
    for line in _lines(past, left, found):
        console.out.print(line, markup=False, highlight=False)
