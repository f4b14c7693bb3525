"""The commands that start nothing: report, list, show, doctor, clean.

Judgement, tables and pictures are imported where they are needed: they take longer than `list` itself.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from harness.cli import claiming, completing, console, options
from harness.ground.errors import EnvironmentUnfit, UsageError
from harness.ground.units import format_size
from harness.machine import belongings, engine
from harness.machine.custody.collector import collect_leftovers
from harness.machine.custody.guard import lock_path, machine_lock, state_folder
from harness.output import wording
from harness.records.project import find_project
from harness.records.schemas import FILES, schema_of
from harness.records.seal import insist_on_seal
from harness.records.store import Results
from harness.records.summary_json import to_json


@click.command()
@click.argument("name", metavar="RUN", default="latest", shell_complete=completing.runs)
@click.option("--format", "form", type=click.Choice(["html", "md", "csv", "json", "png"]), default="html")
@click.option("--out", type=click.Path(path_type=Path), help="The report's folder.")
@options.results
def report(name: str, form: str, out: Path | None, results: Path | None) -> None:
    """Rebuild a run's report from what is stored, and the page of all runs with it."""
    from harness.judgement.judge import reported_trials, summarise
    from harness.output.report import digest
    from harness.output.report.overview import write_overview
    from harness.output.report.page import write_report

    project = find_project(Path.cwd())
    store = Results(project.results if results is None else results)
    stored = store.find(name)
    trials = reported_trials(stored)
    summary = summarise(stored, trials)
    if form == "json":
        click.echo(to_json(summary), nl=False)
        return
    if form == "md":
        click.echo(digest.to_markdown(summary), nl=False)
        return
    folder = project.reports / stored.id if out is None else out
    page = write_report(stored, summary, trials, folder, claiming.reported_claims(project, stored))
    if out is None:
        write_overview(project.reports, store)
    suffix = {"html": page.name, "csv": "*.csv", "png": "*.png"}[form]
    for path in sorted(page.parent.glob(suffix)):
        click.echo(str(path))


@click.command(name="list")
@options.results
@options.as_json
def list_runs(results: Path | None, as_json: bool) -> None:
    """List the runs, the newest last."""
    project = find_project(Path.cwd())
    store = Results(project.results if results is None else results)
    rows = [_row(store, run_id) for run_id in store.ids()]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        done = "" if row["planned"] is None else f", {row['trials']} of {row['planned']} trials"
        told = f"; {row['damage']}" if row["damage"] else "".join(f"; {load}" for load in row["loads"])
        console.out.print(f"{row['id']}  {row['state']}{done}{told}", markup=False, highlight=False)
    if not rows:
        console.out.print("no run yet; try: webdyno run --suite smoke", highlight=False)


@click.command()
@click.argument("name", metavar="RUN", default="latest", shell_complete=completing.runs)
@options.results
@options.as_json
def show(name: str, results: Path | None, as_json: bool) -> None:
    """Show a run's tables and findings, and what is missing from it."""
    from harness.cli import showing
    from harness.judgement.judge import judge

    project = find_project(Path.cwd())
    stored = Results(project.results if results is None else results).find(name)
    summary = judge(stored)
    if as_json:
        click.echo(to_json(summary), nl=False)
        return
    showing.show_run(stored, summary)
    insist_on_seal(stored.folder)


@click.command(name="doctor")
@options.as_json
def see_doctor(as_json: bool) -> None:
    """Look whether this machine can measure, with a remedy for each complaint."""
    from harness.lifecycle import doctor

    project = find_project(Path.cwd())
    found = doctor.examine(results=project.results)
    if as_json:
        click.echo(json.dumps([asdict(complaint) for complaint in found]))
    else:
        for complaint in found:
            mark = {True: "ok  ", False: "NO  ", None: "?   "}[complaint.ok]
            console.out.print(f"{mark}{complaint.subject}: {complaint.figure}", markup=False, highlight=False)
            if complaint.ok is False:
                console.out.print(f"      {complaint.remedy}", markup=False, highlight=False)
    vital = [complaint.subject for complaint in found if complaint.vital and complaint.ok is False]
    if vital:
        raise EnvironmentUnfit(f"this machine can't measure: {', '.join(vital)}")


@click.command(name="schema")
@click.argument("kind", type=click.Choice(list(FILES)))
def see_schema(kind: str) -> None:
    """Print the JSON Schema of a file that you write, by which an editor completes and checks it."""
    click.echo(json.dumps(schema_of(kind), indent=1, ensure_ascii=False))


@click.command()
def clean() -> None:
    """Collect what a killed run may have left, and remove our containers and images from the engine."""
    with machine_lock("clean", lock_path()):
        left = collect_leftovers(state_folder())
        left += _clean_engine()
    if left:
        raise EnvironmentUnfit(f"could not be removed: {', '.join(left)}")
    console.out.print("nothing of a run is left on this machine", highlight=False)


def _clean_engine() -> tuple[str, ...]:
    """Return what is left of ours on the container engine; nothing where there is none."""
    try:
        found = engine.connect()
    except EnvironmentUnfit:
        return ()
    left, won = belongings.remove_ours(found)
    found.client.close()
    if won:
        console.out.print(f"the container engine has {format_size(won)} more room", highlight=False)
    return left


def _row(store: Results, run_id: str) -> dict[str, Any]:
    """Return a run's line; one that is damaged hides no other."""
    try:
        stored = store.find(run_id)
    except UsageError as error:
        unknown = dict.fromkeys(("suite", "loads", "trials", "planned"))
        return {"id": run_id, "state": "damaged", **unknown, "damage": f"{error.where}: {error.what}"}
    return {
        "id": stored.id,
        "state": stored.state,
        "suite": stored.suite,
        "loads": list(dict.fromkeys(wording.load(t.cell.load) for s in stored.stages for t in s.trials)),
        "trials": len(stored.trials),
        "planned": stored.planned,
        "damage": None,
    }
