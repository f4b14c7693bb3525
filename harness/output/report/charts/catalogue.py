"""All charts of a report. Another kind is a function like these, and a line in `KINDS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.judgement.trials import CellKey, JudgedTrial, by_cell
from harness.output.report.charts.by_rate import by_rate, rates_of
from harness.output.report.charts.chart import Chart, Material
from harness.output.report.charts.looks import Look
from harness.output.report.charts.over_time import over_time
from harness.output.report.charts.percentiles import percentiles
from harness.output.report.charts.ranked import ranked
from harness.output.report.charts.scaling import scaling
from harness.output.report.charts.searched import searched
from harness.output.report.charts.spending import spending
from harness.output.scaling_curves import panels_of
from harness.output.standings import Group, groups
from harness.records.summary import Summary

KINDS: tuple[Callable[[Material], Chart | None], ...] = (
    ranked,
    searched,
    percentiles,
    over_time,
    spending,
)
_MOST_POINTS = 120
_FEWEST_POINTS = 12
_POINTS_OF_A_PAGE = 8000
"""Moments of all curves over time, each with a figure a panel; more would make the page too large."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The charts of one scenario and load."""

    scenario: str
    load: str
    charts: tuple[Chart, ...]


def sheets(summary: Summary, trials: Sequence[JudgedTrial], looks: Mapping[str, Look]) -> tuple[Sheet, ...]:
    """Return all charts: of each scenario and load with a figure, then over several rates, then of curves."""
    of_cells = by_cell(trials)
    made = [
        Sheet(material.group.scenario, material.group.load, _drawn(kind(material) for kind in KINDS))
        for material in _materials(groups(summary), of_cells, looks)
    ]
    made += [
        Sheet(scenario, load, _drawn([by_rate(asked, looks)]))
        for (scenario, load), asked in rates_of(summary, of_cells).items()
    ]
    made += [
        Sheet(scenario, load, _drawn([scaling(varied, curves, looks)]))
        for (scenario, load, varied), curves in panels_of(summary.scaling).items()
    ]
    return tuple(sheet for sheet in made if sheet.charts)


def _drawn(made: Iterable[Chart | None]) -> tuple[Chart, ...]:
    return tuple(chart for chart in made if chart is not None)


def _materials(
    groups: Sequence[Group], of_cells: Mapping[CellKey, Sequence[JudgedTrial]], looks: Mapping[str, Look]
) -> Iterator[Material]:
    curves = sum(len(group.ranked) for group in groups)
    points = min(_MOST_POINTS, max(_FEWEST_POINTS, _POINTS_OF_A_PAGE // max(curves, 1)))
    for group in groups:
        of_group = {
            cell.variant.label: tuple(of_cells.get((cell.scenario, cell.load, cell.variant.label), ()))
            for cell in group.cells
        }
        yield Material(group, of_group, looks, points)
