"""Pairs of variants on one metric: ratio, interval, noise floor, verdict, and ranks.

`faster` means that the contender is better on the metric: more requests/s, or fewer ms, CPU µs or MiB.
So on memory a `faster` contender is the leaner one; the ratio is always contender over base.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from harness.ground import stats
from harness.ground.model import Cell, Load, Verdict
from harness.judgement.rules import MIN_BLOCKS
from harness.records.summary import Comparison

HIGHER_IS_BETTER = {
    "requests_per_s": True,
    "response_ms.p50": False,
    "response_ms.p99": False,
    "cpu.us_per_request": False,
    "cpu.yardsticks_per_request": False,
    "memory_mib.mean": False,
}
"""The metrics that are compared, by their place in a cell's summary."""
METRICS = tuple(HIGHER_IS_BETTER)
GIVEN = "requests_per_s"
"""The metric that is given, not found, under the profile `rate`."""
YARDSTICKS = "cpu.yardsticks_per_request"
"""The metric that is measured under the profile `rate` alone."""
FLOOR = 0.02
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """One trial as the comparison sees it."""

    cell: Cell
    block: int
    valid: bool
    metrics: Mapping[str, float | None]
    """By name of `METRICS`; absent or None where it was not measured."""


_Values = Mapping[int, float]
"""A cell's values on one metric by block."""


@dataclass(frozen=True, slots=True)
class _Side:
    """One cell on one metric."""

    name: str
    valid: bool
    """Whether any of its trials is."""
    values: _Values


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two cells on one metric, and their ratio; None where no block has both."""

    base: _Side
    contender: _Side
    ratio: stats.Ratio | None


def common(load: Load) -> Load:
    """Return what variants have in common of a load: not the rate, where each one has its own."""
    own = load.profile == "capacity" or load.share is not None
    return replace(load, rate_per_s=None) if own else load


def metrics_of(load: Load) -> tuple[str, ...]:
    """Return what is compared under a load.

    Where requests/s are given, their ratio says nothing; at the capacity each one's times are near the bound.
    """
    if load.profile == "rate":
        return tuple(metric for metric in METRICS if metric != GIVEN)
    found = tuple(metric for metric in METRICS if metric != YARDSTICKS)
    if load.profile == "capacity":
        return tuple(metric for metric in found if not metric.startswith("response_ms."))
    return found


def ranked_by(load: Load) -> str:
    """Return the metric that ranks: requests/s, or the median response time where these are given."""
    return metrics_of(load)[0]


def name_of(cell: Cell) -> str:
    """Return a cell's name among those of its scenario and load: `id`, `id[threads=32]`, `id#1`.

    `#1` is the twin of an A/A pair.
    """
    settings = ",".join(f"{key}={value}" for key, value in sorted(cell.settings.items()))
    twin = f"#{cell.replica}" if cell.replica else ""
    return cell.variant + (f"[{settings}]" if settings else "") + twin


def is_twin(name: str, other: str) -> bool:
    """Return whether two names are those of an A/A pair."""
    return name != other and name.rpartition("#")[0] == other


def order_of(load: Load) -> tuple[str, int, float, str]:
    """Return what loads are sorted by: their profile, then the lesser first."""
    return load.profile, load.users, load.rate_per_s or 0.0, repr(load)


def compare(trials: Sequence[Measured]) -> tuple[Comparison, ...]:
    """Return all pairs, A/A pairs first, per scenario × load × metric; base < contender by name.

    The ratio is over the blocks in which both have a valid trial. p is adjusted (Holm) within scenario ×
    load × metric, without A/A pairs, which are no question asked; theirs is adjusted for nothing. Intervals
    are not adjusted.
    """
    groups: dict[tuple[str, Load], list[Measured]] = {}
    for trial in trials:
        groups.setdefault((trial.cell.scenario, trial.cell.load), []).append(trial)
    ordered = sorted(groups, key=lambda key: (key[0], order_of(key[1])))
    twins = {
        (key, metric): _twins(key, groups[key], metric) for key in ordered for metric in metrics_of(key[1])
    }
    found: list[Comparison] = []
    for key in ordered:
        for metric in metrics_of(key[1]):
            own = twins[key, metric]
            all_twins = [one for other in ordered for one in twins.get((other, metric), ())]
            told = [one for one in own if one.ratio is not None]
            found += own
            found += _family(key, groups[key], metric, noise_floor(told or all_twins))
    return tuple(found)


def noise_floor(twins: Sequence[Comparison]) -> float:
    """Return max(2 %, |A/A ratio − 1|), of several A/A pairs the noisiest."""
    return max([FLOOR, *(abs(twin.ratio - 1) for twin in twins if twin.ratio is not None)])


def verdict_of(metric: str, estimate: stats.Ratio, p: float | None, floor: float) -> Verdict | None:
    """Call a difference where p is below the level and the estimate past the floor, whichever the base."""
    if estimate.trials < MIN_BLOCKS or p is None:
        return None
    distance = min(abs(estimate.ratio - 1), abs(1 / estimate.ratio - 1))
    if p >= LEVEL or distance <= floor:
        return "tie"
    return "faster" if (estimate.ratio > 1) == HIGHER_IS_BETTER[metric] else "slower"


def ranks(names: Sequence[str], comparisons: Sequence[Comparison]) -> dict[str, tuple[int, int]]:
    """Return rank intervals on the one metric of one scenario and load that the comparisons are about.

    `names` are those that may be ranked: with a valid trial, and no twins. A tie, or no verdict yet,
    leaves both sides all the ranks that others leave them.
    """
    beats = [
        (one.contender, one.base) if one.verdict == "faster" else (one.base, one.contender)
        for one in comparisons
        if one.verdict in ("faster", "slower")
    ]
    return stats.rank_intervals(names, beats)


def blocks_to_find(effect: float, pair: Comparison) -> int | None:
    """Return how many blocks find a ratio of 1 + `effect` in four of five runs with this pair's noise.

    None where the pair has no interval, from which the noise is read back, or a thousand blocks do not.
    """
    if pair.low is None or pair.high is None or pair.low <= 0:
        return None
    half = math.log(pair.high / pair.low) / 2
    spread = half / stats.t_quantile(pair.blocks - 1) * math.sqrt(pair.blocks)
    return stats.required_pairs(spread, effect)


def block_ratios(base: Sequence[Measured], contender: Sequence[Measured], metric: str) -> tuple[float, ...]:
    """Return contender over base for each block in which both have a valid trial."""
    ours, theirs = _of_both(_by_block(base, metric), _by_block(contender, metric))
    return tuple(their / our for our, their in zip(ours, theirs, strict=True))


def by_name(trials: Sequence[Measured]) -> dict[str, list[Measured]]:
    """Return trials by their cell's name, in the order of names."""
    named: dict[str, list[Measured]] = {}
    for trial in sorted(trials, key=lambda trial: (name_of(trial.cell), trial.block)):
        named.setdefault(name_of(trial.cell), []).append(trial)
    return named


def _twins(key: tuple[str, Load], trials: Sequence[Measured], metric: str) -> list[Comparison]:
    sides = _sides(trials, metric)
    pairs = [_estimate(base, twin) for base, twin in combinations(sides, 2) if is_twin(twin.name, base.name)]
    return [_judged(key, metric, pair, FLOOR) for pair in pairs]


def _family(key: tuple[str, Load], trials: Sequence[Measured], metric: str, floor: float) -> list[Comparison]:
    sides = _sides([trial for trial in trials if not trial.cell.replica], metric)
    pairs = [_estimate(base, contender) for base, contender in combinations(sides, 2)]
    known = [None if pair.ratio is None else pair.ratio.p for pair in pairs]
    adjusted = iter(stats.holm([p for p in known if p is not None]))
    return [
        _judged(key, metric, pair, floor, None if p is None else next(adjusted))
        for pair, p in zip(pairs, known, strict=True)
    ]


def _judged(
    key: tuple[str, Load], metric: str, pair: _Pair, floor: float, p: float | None = None
) -> Comparison:
    names, estimate = (pair.base.name, pair.contender.name), pair.ratio
    if estimate is None:
        verdict: Verdict | None = None if pair.base.valid and pair.contender.valid else "invalid"
        return Comparison(
            key[0], key[1], metric, *names, 0, None, None, None, None, None, None, floor, verdict
        )
    p = estimate.p if p is None else p
    checked = stats.bootstrapped_ratio(*_of_both(pair.base.values, pair.contender.values)) or (None, None)
    return Comparison(
        scenario=key[0],
        load=key[1],
        metric=metric,
        base=names[0],
        contender=names[1],
        blocks=estimate.trials,
        ratio=estimate.ratio,
        low=estimate.low,
        high=estimate.high,
        bca_low=checked[0],
        bca_high=checked[1],
        p_holm=p,
        floor=floor,
        verdict=verdict_of(metric, estimate, p, floor),
    )


def _sides(trials: Sequence[Measured], metric: str) -> list[_Side]:
    """Return each cell's side of its pairs, in the order of names."""
    return [
        _Side(name, any(trial.valid for trial in own), _by_block(own, metric))
        for name, own in by_name(trials).items()
    ]


def _estimate(base: _Side, contender: _Side) -> _Pair:
    ours, theirs = _of_both(base.values, contender.values)
    return _Pair(base, contender, stats.paired_ratio(ours, theirs) if ours else None)


def _of_both(base: _Values, contender: _Values) -> tuple[list[float], list[float]]:
    """Return both sides' values of the blocks in which both have one."""
    blocks = sorted(base.keys() & contender.keys())
    return [base[block] for block in blocks], [contender[block] for block in blocks]


def _by_block(trials: Sequence[Measured], metric: str) -> _Values:
    """Return valid trials' values by block; zero has no ratio, so it counts as not measured here."""
    values = ((trial.block, trial.metrics.get(metric)) for trial in trials if trial.valid)
    return {block: value for block, value in values if value is not None and value > 0}
