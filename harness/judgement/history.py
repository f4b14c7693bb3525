"""Many runs of one suite on one machine: how figures went, and where their level changed. Pure.

A run is one value here, the mean over its valid trials. What a machine drifts from hour to hour, which the
intervals of `compare` do not cover, is therefore in the spread that a change has to stand out from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.ground import stats
from harness.ground.model import Load, Verdict
from harness.judgement.changes import Difference, differences
from harness.judgement.comparison import FLOOR, HIGHER_IS_BETTER, metrics_of
from harness.records.run import StoredRun
from harness.records.summary import CellSummary, Figure, Summary

LEAST_RUNS = 3
"""How many runs a level must last."""
LEVEL = 0.003
"""A change is kept where the levels beside it differ with a smaller p.

The places were looked for, so p is too small, and the usual 0.05 would keep far too many; how many this one
keeps of pure noise stands in `docs/method.md`.
"""


@dataclass(frozen=True, slots=True)
class PastRun:
    """A sealed run with its summary as it was sealed."""

    stored: StoredRun
    summary: Summary


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A run that is no part of a history."""

    run: str
    why: str


@dataclass(frozen=True, slots=True)
class Point:
    """A cell in one run."""

    run: str
    value: float
    trials: int
    """Valid ones."""


@dataclass(frozen=True, slots=True)
class Step:
    """A change of level: after over before."""

    run: str
    """The first of the new level."""
    before: float
    """The geometric mean of the level's runs."""
    after: float
    ratio: float
    low: float | None
    high: float | None
    p: float
    """Of Welch's t on logs; too small, since the place was looked for."""
    verdict: Verdict
    """Of the new level: `faster` or `slower`."""
    differing: tuple[Difference, ...]
    """What else differed between the last run before and the first one after."""


@dataclass(frozen=True, slots=True)
class Series:
    """One cell on one metric, the oldest run first."""

    scenario: str
    load: Load
    variant: str
    metric: str
    points: tuple[Point, ...]
    steps: tuple[Step, ...]


def of_one_kind(newest: StoredRun, others: Iterable[StoredRun]) -> tuple[list[StoredRun], list[LeftOut]]:
    """Return the runs that may stand in one row with a run, itself included, and why the rest may not."""
    kept, left = [], []
    for run in others:
        forbidding = [one for one in differences(run, newest) if one.weight == "forbids"]
        if run.state != "sealed":
            left.append(LeftOut(run.id, "is not complete"))
        elif run.suite != newest.suite:
            left.append(LeftOut(run.id, f"is of the suite {run.suite}"))
        elif forbidding:
            words = "; ".join(f"{one.what}: {one.base}, not {one.new}" for one in forbidding)
            left.append(LeftOut(run.id, words))
        else:
            kept.append(run)
    return kept, left


def history(runs: Sequence[PastRun], metrics: Sequence[str]) -> tuple[Series, ...]:
    """Return a series for each cell and metric of runs of one kind, the oldest first; twins are left out.

    A cell that a run lacks, or in which it has no valid trial, has no point there.
    """
    found: dict[tuple[str, Load, str, str], list[Point]] = {}
    for past in runs:
        for cell in past.summary.cells:
            for metric in metrics_of(cell.load):
                value = figure_of(cell, metric)
                if metric in metrics and not cell.variant.replica and value is not None and value.value > 0:
                    key = (cell.scenario, cell.load, cell.variant.label, metric)
                    found.setdefault(key, []).append(Point(past.summary.run, value.value, cell.valid_trials))
    by_id = {past.stored.id: past.stored for past in runs}
    keys = sorted(found, key=lambda key: (key[0], repr(key[1]), key[2], list(HIGHER_IS_BETTER).index(key[3])))
    return tuple(Series(*key, tuple(found[key]), tuple(_steps(key[3], found[key], by_id))) for key in keys)


def figure_of(cell: CellSummary, metric: str) -> Figure | None:
    """Return a cell's figure by the metric's name, which is its place in the summary."""
    found: object = cell
    for name in metric.split("."):
        found = getattr(found, name)
    assert found is None or isinstance(found, Figure), metric
    return found


def edges_of(values: Sequence[float]) -> tuple[int, ...]:
    """Return the indices at which the level of positive values changes.

    Candidates are those of `stats.change_points` on logs; the least certain one is dropped for as long as
    one is not certain (p, and the noise floor of 2 %).
    """
    edges = list(stats.change_points([math.log(value) for value in values], LEAST_RUNS))
    while edges:
        doubts = {edge: _doubt(ratio) for edge, ratio in zip(edges, _ratios(values, edges), strict=True)}
        worst = max(edges, key=lambda edge: doubts[edge])
        if doubts[worst] < LEVEL:
            break
        edges.remove(worst)
    return tuple(edges)


def _ratios(values: Sequence[float], edges: Sequence[int]) -> list[stats.Ratio]:
    """Return each level over the one before."""
    levels = [values[start:end] for start, end in pairwise([0, *edges, len(values)])]
    return [stats.unpaired_ratio(before, after) for before, after in pairwise(levels)]


def _doubt(ratio: stats.Ratio) -> float:
    within = min(abs(ratio.ratio - 1), abs(1 / ratio.ratio - 1)) <= FLOOR
    return 1.0 if within or ratio.p is None else ratio.p


def _steps(metric: str, points: Sequence[Point], runs: Mapping[str, StoredRun]) -> Iterator[Step]:
    values = [point.value for point in points]
    edges = edges_of(values)
    for start, (edge, ratio) in zip(
        [0, *edges], zip(edges, _ratios(values, edges), strict=True), strict=False
    ):
        before = stats.geometric_mean(values[start:edge])
        assert before is not None, "a level has runs"
        assert ratio.p is not None, "of at least three a side"
        better = (ratio.ratio > 1) == HIGHER_IS_BETTER[metric]
        yield Step(
            run=points[edge].run,
            before=before,
            after=before * ratio.ratio,
            ratio=ratio.ratio,
            low=ratio.low,
            high=ratio.high,
            p=ratio.p,
            verdict="faster" if better else "slower",
            differing=differences(runs[points[edge - 1].run], runs[points[edge].run]),
        )
