"""The page of two runs: what changed from base to new, what else differs, and the findings of both."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.ground.model import Load, Severity
from harness.judgement.changes import Change, Compared
from harness.output import change_tables, table_formats, wording
from harness.output.change_headline import headline, ranking
from harness.output.report import embedded, trust
from harness.output.report.charts.catalogue import Sheet
from harness.output.report.charts.forest import forests
from harness.output.report.shelf import CHANGES, PAGE, name_of_pair
from harness.records.disk import MAKE_ROOM, write, writing
from harness.records.run import StoredRun
from harness.records.summary import Summary
from harness.records.summary_json import round_figure

_COLUMNS = (
    *(
        "scenario",
        "load",
        "variant",
        "metric",
        "base",
        "new",
        "ratio",
        "low",
        "high",
        "p",
        "floor",
        "verdict",
    ),
    *("valid trials in base", "valid trials in new"),
)
_SEVERITIES: tuple[Severity, ...] = ("invalid", "warning", "note")


@dataclass(frozen=True, slots=True)
class Side:
    """What is told of one of the runs."""

    run: str
    address: str | None
    """Of its report; None where there is none."""
    state: str
    valid: int
    trials: int
    planned: int
    command: str


@dataclass(frozen=True, slots=True)
class FindingOfBoth:
    """A finding and where it is in each of the runs."""

    code: str
    severity: Severity
    rule: str
    base: str
    new: str
    remedy: str


def document(compared: Compared) -> dict[str, object]:
    """Return all that changed as it is written for programs."""
    return {
        "schema": 1,
        "base": compared.base.id,
        "new": compared.new.id,
        "headline": headline(compared.changes),
        "differences": [asdict(one) for one in compared.differences],
        "changes": [asdict(change) for change in compared.changes],
    }


def write_compared(compared: Compared, reports: Path) -> Path:
    """Write the page, and the same for programs beside it; return the page's path.

    Raises EnvironmentUnfit where the folder can't be written.
    """
    folder = reports / name_of_pair(compared.base.id, compared.new.id)
    with writing(folder, MAKE_ROOM):
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / CHANGES, (json.dumps(document(compared), indent=1) + "\n").encode())
        write(folder / PAGE, compared_page(compared, reports).encode())
    return folder / PAGE


def compared_page(compared: Compared, reports: Path) -> str:
    """Return the page; everything that comes from a run is escaped data. `reports` is where links lead."""
    changes = compared.changes
    tables = change_tables.build(changes)
    return embedded.rendered(
        "compared.html",
        embedded.script(),
        f"{embedded.style()}\n{embedded.own('compared.css')}",
        title=f"{compared.new.id} over {compared.base.id}",
        headline=headline(changes),
        counted=_counted(changes),
        floor=_widest_floor(changes),
        differences=[
            (one.weight, *map(wording.plain, (one.what, one.base, one.new))) for one in compared.differences
        ],
        found=tuple(findings(*compared.summaries)),
        sides=[
            _side(run, summary, reports)
            for run, summary in zip((compared.base, compared.new), compared.summaries, strict=True)
        ],
        variants=[(name, None) for name in sorted({wording.plain(change.variant) for change in changes})],
        scenarios=dict.fromkeys(table.scenario for table in tables),
        loads=dict.fromkeys(table.load for table in tables),
        tables=tables,
        frames=embedded.island([_numbers(of_table) for of_table in _by_group(changes)]),
        words=table_formats.WORDS,
        legend=change_tables.LEGEND,
        sheets=[
            Sheet(table.scenario, table.load, forests(of_table))
            for table, of_table in zip(tables, _by_group(changes), strict=True)
        ],
    )


def findings(base: Summary, new: Summary) -> Iterator[FindingOfBoth]:
    """Yield each code and severity that either run has, the severe ones first, with where in each it is."""
    rows = [trust.findings(summary)[0] for summary in (base, new)]
    keys = {(row.severity, row.code): row for of_run in rows for row in of_run}
    for (severity, code), row in sorted(
        keys.items(), key=lambda item: (_SEVERITIES.index(item[0][0]), item[0][1])
    ):
        where = [
            "; ".join(
                dict.fromkeys(one.where for one in of_run if (one.severity, one.code) == (severity, code))
            )
            for of_run in rows
        ]
        yield FindingOfBoth(
            code,
            severity,
            row.rule,
            where[0] or wording.NOT_MEASURED,
            where[1] or wording.NOT_MEASURED,
            row.remedy,
        )


def _counted(changes: Sequence[Change]) -> tuple[tuple[str, int], ...]:
    """Return how many cells have which verdict on the metric that ranks."""
    counted: Counter[str] = Counter(change.verdict or "no verdict" for change in ranking(changes))
    verdicts = ("faster", "slower", "tie", "invalid", "no verdict")
    return tuple((verdict, counted[verdict]) for verdict in verdicts if counted[verdict])


def _widest_floor(changes: Sequence[Change]) -> str:
    floors = [change.floor for change in ranking(changes)]
    return f"{100 * max(floors):.1f} %" if floors else wording.NOT_MEASURED


def _side(run: StoredRun, summary: Summary, reports: Path) -> Side:
    return Side(
        run=run.id,
        address=f"../{run.id}/{PAGE}" if (reports / run.id / PAGE).is_file() else None,
        state=run.state,
        valid=sum(cell.valid_trials for cell in summary.cells),
        trials=sum(cell.trials for cell in summary.cells),
        planned=run.planned,
        command=wording.plain(run.record.command),
    )


def _by_group(changes: Sequence[Change]) -> list[list[Change]]:
    """Return the changes of each scenario and load, in the order of their tables."""
    groups: dict[tuple[str, Load], list[Change]] = {}
    for change in changes:
        groups.setdefault((change.scenario, change.load), []).append(change)
    return list(groups.values())


def _numbers(changes: Sequence[Change]) -> dict[str, object]:
    """Return a table as numbers, with all bounds; None was not measured."""
    rows = [
        (
            *(wording.plain(change.scenario), wording.load(change.load), wording.plain(change.variant)),
            change.metric,
            *(
                None if value is None else round_figure(value)
                for value in (
                    *(change.base, change.new, change.ratio, change.low, change.high),
                    *(change.p_holm, change.floor),
                )
            ),
            change.verdict,
            *change.trials,
        )
        for change in changes
    ]
    return {"columns": list(_COLUMNS), "rows": rows}
