"""Who stands where on a scenario and load: rows in order, rank intervals, ratios to the slowest."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from harness.judgement import comparison
from harness.output import wording
from harness.records.summary import CellSummary, Comparison, Figure, Summary


@dataclass(frozen=True, slots=True)
class Group:
    """What is compared with each other."""

    scenario: str
    load: str
    """In words."""
    metric: str
    """The one that ranks."""
    cells: tuple[CellSummary, ...]
    """The fastest first, invalid ones last; without twins of A/A pairs."""
    compared: tuple[Comparison, ...]
    """The comparisons among them."""
    absent: tuple[str, ...]
    """The labels of the run's variants that don't implement this scenario."""

    @property
    def ranked(self) -> tuple[CellSummary, ...]:
        """The cells with a figure on the metric that ranks, the slowest last."""
        return tuple(cell for cell in self.cells if figure_of(cell, self.metric) is not None)


def figure_of(cell: CellSummary, metric: str) -> Figure | None:
    """Return a cell's figure on one of the compared metrics."""
    found: Figure | None = attrgetter(metric)(cell)
    return found


def groups(summary: Summary) -> tuple[Group, ...]:
    """Return each scenario and load with its rows in order and the comparisons among them."""
    keys = dict.fromkeys((cell.scenario, cell.load) for cell in summary.cells)
    found = []
    all_rows = [cell for cell in summary.cells if not cell.variant.replica]
    # With other settings a variant takes part where a suite asks for it, so its absence means nothing.
    everyone = sorted({cell.variant.label for cell in all_rows if cell.variant.label == cell.variant.id})
    for scenario, load in keys:
        cells = [c for c in all_rows if (c.scenario, c.load) == (scenario, load)]
        metric = comparison.ranked_by(load)
        rows = tuple(sorted(cells, key=lambda cell: _order(cell, metric)))
        names = {cell.variant.label for cell in rows}
        compared = tuple(
            c
            for c in summary.comparisons
            if (c.scenario, c.load) == (scenario, load) and {c.base, c.contender} <= names
        )
        absent = tuple(label for label in everyone if label not in names)
        found.append(Group(wording.plain(scenario), wording.load(load), metric, rows, compared, absent))
    return tuple(found)


def labels_of(summary: Summary) -> tuple[str, ...]:
    """Return the label of every row and curve, twins left out."""
    rows = (cell.variant.label for cell in summary.cells if not cell.variant.replica)
    return tuple(dict.fromkeys((*rows, *(curve.variant for curve in summary.scaling))))


def ranks_of(group: Group, metric: str | None = None) -> dict[str, tuple[int, int]]:
    """Return rank intervals, by label, of the cells with a valid trial; on the metric that ranks if None."""
    metric = metric or group.metric
    names = [cell.variant.label for cell in group.cells if cell.valid_trials]
    return comparison.ranks(names, [one for one in group.compared if one.metric == metric])


def best_of(group: Group, metric: str) -> str | None:
    """Return the label that beats all others on a metric; None where there is none, or nothing to beat."""
    ranks = ranks_of(group, metric)
    alone = [label for label, interval in ranks.items() if interval == (1, 1)]
    return alone[0] if len(alone) == 1 and len(ranks) > 1 else None


def between(group: Group, base: str, contender: str, metric: str) -> Comparison | None:
    """Return the comparison of two labels the way round that is asked for."""
    for one in group.compared:
        if one.metric == metric and one.ratio is not None:
            if (one.base, one.contender) == (base, contender):
                return one
            if (one.base, one.contender) == (contender, base):
                return _inverted(one)
    return None


def _order(cell: CellSummary, metric: str) -> tuple[float, str]:
    figure = figure_of(cell, metric)
    if figure is None:
        return float("inf"), cell.variant.label
    return -figure.value if comparison.HIGHER_IS_BETTER[metric] else figure.value, cell.variant.label


def _inverted(one: Comparison) -> Comparison:
    """Return a comparison with its sides swapped."""
    assert one.ratio is not None, "asked of measured pairs alone"
    return Comparison(
        scenario=one.scenario,
        load=one.load,
        metric=one.metric,
        base=one.contender,
        contender=one.base,
        blocks=one.blocks,
        ratio=1 / one.ratio,
        low=None if one.high is None else 1 / one.high,
        high=None if one.low is None else 1 / one.low,
        bca_low=None if one.bca_high is None else 1 / one.bca_high,
        bca_high=None if one.bca_low is None else 1 / one.bca_low,
        p_holm=one.p_holm,
        floor=one.floor,
        verdict={"faster": "slower", "slower": "faster"}.get(one.verdict or "", one.verdict),  # type: ignore[arg-type]
    )
