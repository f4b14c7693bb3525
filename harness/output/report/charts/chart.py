"""A chart of the report: what ECharts is told, as plain data, and the same figures as a table.

An option is JSON but for two things that the page puts in: colours that follow its theme are named as its CSS
variables, and `{"call": NAME}` stands for the function of that name in `page.js`. A series is named as its
variant, by which the page filters; a series without a name always stays. The page adds what tooltips tell:
the `tip` of a data item, or along an axis each line's value with the `unit` of its panel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.judgement.trials import JudgedTrial
from harness.output import wording
from harness.output.grids import Kind
from harness.output.report.charts.looks import Look
from harness.output.standings import Group
from harness.records.summary import CellSummary, Figure

Option = Mapping[str, object]
INK = "var(--ink)"
SOFT = "var(--soft)"
FAINT = "var(--line)"
PAPER = "var(--paper)"
GOOD = "var(--good)"
BAD = "var(--bad)"
CROSS = "path://M0,0L10,10M10,0L0,10"


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn about one scenario and load."""

    name: str
    """Of the kind of chart, unique on a scenario and load."""
    title: str
    note: str
    """How to read it."""
    alt: str
    """What it shows, for those who can't see it."""
    kinds: tuple[Kind, ...]
    """The kinds of tables that it belongs to; the page's filter by metric shows it with them."""
    option: Option
    height_px: int
    row_px: int
    """What each variant adds to the height."""
    legend: bool
    """Whether its lines need one, because no label says whose they are."""
    headers: tuple[str, ...]
    """Of the table behind it, with units; the first is the variant's."""
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Material:
    """What the charts of one scenario and load are drawn from."""

    group: Group
    trials: Mapping[str, tuple[JudgedTrial, ...]]
    """By the cell's label, in the order of execution."""
    looks: Mapping[str, Look]
    """By label."""
    points: int
    """The most moments that a curve over time may have."""

    def valid(self, cell: CellSummary) -> tuple[JudgedTrial, ...]:
        """Return a cell's valid trials."""
        return tuple(trial for trial in self.trials.get(cell.variant.label, ()) if trial.valid)


def name_of(cell: CellSummary) -> str:
    """Return a variant's name as the whole page shows it."""
    return wording.plain(cell.variant.label)


def arm(place: float, figure: Figure, least: float = -math.inf) -> tuple[Sequence[float] | None, ...]:
    """Return the ends of an interval upwards, and the gap to the next one's; nothing where there is none.

    On a logarithmic axis its lower end is at `least` where it lies below.
    """
    if figure.low is None or figure.high is None:
        return ()
    return (place, short(max(figure.low, least))), (place, short(figure.high)), None


def short(value: float) -> float:
    """Return a number with the four digits that a picture can show."""
    return float(f"{value:.4g}")


def digits(value: float | None) -> str:
    """Return one trial's or one moment's figure in words."""
    return wording.figure(None if value is None else Figure(value, None, None))
