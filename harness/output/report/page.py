"""The HTML report of a run: one self-contained page, with its tables and pictures as files beside it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from harness.ground.errors import EnvironmentUnfit
from harness.judgement.trials import JudgedTrial
from harness.output import claim_tables, plots, table_formats, tables, wording
from harness.output.grids import Table
from harness.output.report import digest, embedded, facts, trust
from harness.output.report.answers import answer, headline
from harness.output.report.charts.catalogue import sheets
from harness.output.report.charts.looks import looks_of
from harness.output.report.claimed import claimed
from harness.output.report.ranking import rank_rows
from harness.output.standings import groups, labels_of
from harness.records.claims import Claims
from harness.records.disk import write
from harness.records.run import StoredRun
from harness.records.summary import Summary
from harness.records.summary_json import to_json


def write_report(
    run: StoredRun,
    summary: Summary,
    trials: Sequence[JudgedTrial],
    folder: Path,
    claims: Claims | None = None,
) -> Path:
    """Write the page, the tables (Markdown, CSV), the pictures and the summary; return the page's path.

    Each file is written aside and renamed, the page last, so that a page never lacks what it names.
    Raises EnvironmentUnfit where the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = report_files(run, summary, trials, claims)
        for name in {*(f"{name}.png" for name in plots.NAMES), *table_formats.CSV_NAMES} - set(files):
            (folder / name).unlink(missing_ok=True)  # of an older report
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True)  # of the first flame graph
            write(folder / name, content)
    except OSError as error:
        raise EnvironmentUnfit(
            f"the report can't be written: {error.strerror}",
            where=str(folder),
            remedy="make room or choose another folder, then `webdyno report`; the results are kept",
        ) from error
    return folder / "index.html"


def report_files(
    run: StoredRun, summary: Summary, trials: Sequence[JudgedTrial], claims: Claims | None = None
) -> dict[str, bytes]:
    """Return the content of each file of a report by its name, the page last."""
    drawn = plots.pictures(summary, trials)
    built = tables.build(summary)
    files = {f"{picture.name}.png": picture.png for picture in drawn}
    files |= {_flame(number): graph.read_bytes() for number, graph in run.flames.items()}
    files["tables.md"] = digest.to_markdown(summary).encode()
    files |= {name: text.encode() for name, text in table_formats.csv_files(built).items()}
    files["summary.json"] = to_json(summary).encode()
    files["index.html"] = page(run, summary, trials, built, claims).encode()
    return files


def page(
    run: StoredRun,
    summary: Summary,
    trials: Sequence[JudgedTrial],
    built: tuple[Table, ...],
    claims: Claims | None = None,
) -> str:
    """Return the page; everything that comes from a variant, a log or a record is escaped data."""
    shown = groups(summary)
    looks = looks_of(labels_of(summary))
    answers = [answer(group) for group in shown]
    found, unchecked = trust.findings(summary)
    drawn = sheets(summary, trials, looks)
    return embedded.rendered(
        "page.html",
        embedded.script(),
        embedded.style(),
        title=wording.plain(f"{summary.suite}: {summary.run}"),
        state=run.state,
        headline=headline(answers),
        answers=answers,
        trials=sum(cell.trials for cell in summary.cells),
        valid_trials=sum(cell.valid_trials for cell in summary.cells),
        planned_trials=run.planned,
        found=found,
        unchecked=unchecked,
        limiters=trust.limiters(shown),
        resources=trust.resources(shown),
        resource_names=trust.RESOURCES.values(),
        noise=trust.noise(summary, shown),
        floor=trust.widest_floor(summary),
        groups=shown,
        scenarios=dict.fromkeys(table.scenario for table in built),
        loads=dict.fromkeys([table.load for table in built] + [sheet.load for sheet in drawn]),
        kinds=[*tables.TITLES.items(), *([("scaling", "Scaling")] if summary.scaling else [])],
        looks=[(wording.plain(label), look) for label, look in looks.items()],
        metrics=wording.METRICS,
        standings=rank_rows(shown),
        tables=_by_group(built),
        frames=embedded.island([_numbers(table) for table in built]),
        words=table_formats.WORDS,
        legend=table_formats.LEGEND,
        scales=bool(summary.scaling),
        sheets=drawn,
        flames=_flames(run),
        claimed=claimed(claims, summary, run.placement.caps),
        claims_legend=claim_tables.LEGEND,
        method=facts.method(run),
        machine=facts.machine(run.record.fingerprint),
        versions=facts.versions(summary),
        command=facts.command(run),
        run=wording.plain(summary.run),
    )


def _flame(number: int) -> str:
    """Return the path of a flame graph beside the page."""
    return f"flames/{number:03d}.svg"


def _flames(run: StoredRun) -> list[tuple[str, str, str]]:
    """Return scenario, load and variant of each flame graph, as words, with its path."""
    planned = {trial.number: trial.cell for stage in run.stages for trial in stage.trials}
    return [
        (f"{cell.scenario} ({wording.load(cell.load)})", wording.plain(cell.variant), _flame(number))
        for number in run.flames
        if (cell := planned.get(number)) is not None
    ]


def _numbers(table: Table) -> dict[str, object]:
    """Return a table as numbers, as its CSV file has them; None was not measured."""
    rows = table.frame.astype(object).where(table.frame.notna(), None).to_numpy().tolist()
    return {"columns": list(table.frame.columns), "rows": rows}


def _by_group(built: tuple[Table, ...]) -> list[tuple[tuple[str, str], list[tuple[int, Table]]]]:
    """Return the tables of each scenario and load, with their numbers among all."""
    groups = groupby(enumerate(built), lambda numbered: (numbered[1].scenario, numbered[1].load))
    return [(key, list(own)) for key, own in groups]
