"""Pairs of variants on one metric: ratio, interval, noise floor, verdict, and ranks.

`faster` means that the contender is better on the metric: more requests/s, or fewer ms, CPU µs or MiB.
So on memory a `faster` contender is the leaner one; the ratio is always contender over base.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    "memory_mib.mean": False,
}
"""The metrics that are compared, by their place in a cell's summary."""
METRICS = tuple(HIGHER_IS_BETTER)
GIVEN = "requests_per_s"
"""The metric that is given, not found, under the profile `rate`."""
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


def metrics_of(load: Load) -> tuple[str, ...]:
    """Return what is compared under a load: where requests/s are given, their ratio says nothing."""
    return tuple(metric for metric in METRICS if load.profile != "rate" or metric != GIVEN)


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


def compare(trials: Sequence[Measured]) -> tuple[Comparison, ...]:
    """Return all pairs, A/A pairs first, per scenario × load × metric; base < contender by name.

    The ratio is over the blocks in which both have a valid trial. p is adjusted (Holm) within scenario ×
    load × metric, without A/A pairs, which are no question asked; theirs is adjusted for nothing. Intervals
    are not adjusted.
    """
    groups: dict[tuple[str, Load], list[Measured]] = {}
    for trial in trials:
        groups.setdefault((trial.cell.scenario, trial.cell.load), []).append(trial)
    ordered = sorted(groups, key=lambda key: (key[0], key[1].profile, key[1].users, repr(key[1])))
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
    pairs = _pairs(base, contender, metric)
    return tuple(theirs / ours for ours, theirs in pairs)


def by_name(trials: Sequence[Measured]) -> dict[str, list[Measured]]:
    """Return trials by their cell's name, in the order of names."""
    named: dict[str, list[Measured]] = {}
    for trial in sorted(trials, key=lambda trial: (name_of(trial.cell), trial.block)):
        named.setdefault(name_of(trial.cell), []).append(trial)
    return named


def _twins(key: tuple[str, Load], trials: Sequence[Measured], metric: str) -> list[Comparison]:
    named = by_name(trials)
    pairs = [(base, twin) for base, twin in combinations(named, 2) if is_twin(twin, base)]
    return [_judged(key, metric, pair, named, FLOOR) for pair in pairs]


def _family(key: tuple[str, Load], trials: Sequence[Measured], metric: str, floor: float) -> list[Comparison]:
    named = by_name([trial for trial in trials if not trial.cell.replica])
    pairs = list(combinations(named, 2))
    raw = [_estimate(named[base], named[contender], metric) for base, contender in pairs]
    tested = [index for index, one in enumerate(raw) if one is not None and one.p is not None]
    adjusted = stats.holm([_p(raw[index]) for index in tested])
    p_holm = dict(zip(tested, adjusted, strict=True))
    return [_judged(key, metric, pair, named, floor, p_holm.get(index)) for index, pair in enumerate(pairs)]


def _judged(
    key: tuple[str, Load],
    metric: str,
    pair: tuple[str, str],
    named: Mapping[str, Sequence[Measured]],
    floor: float,
    p: float | None = None,
) -> Comparison:
    base, contender = (named[name] for name in pair)
    estimate = _estimate(base, contender, metric)
    if estimate is None:
        excluded = any(not any(trial.valid for trial in side) for side in (base, contender))
        verdict: Verdict | None = "invalid" if excluded else None
        return Comparison(
            key[0], key[1], metric, *pair, 0, None, None, None, None, None, None, floor, verdict
        )
    p = estimate.p if p is None else p
    pairs = _pairs(base, contender, metric)
    checked = stats.bootstrapped_ratio([a for a, _ in pairs], [b for _, b in pairs]) or (None, None)
    return Comparison(
        scenario=key[0],
        load=key[1],
        metric=metric,
        base=pair[0],
        contender=pair[1],
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


def _estimate(base: Sequence[Measured], contender: Sequence[Measured], metric: str) -> stats.Ratio | None:
    pairs = _pairs(base, contender, metric)
    return stats.paired_ratio([a for a, _ in pairs], [b for _, b in pairs]) if pairs else None


def _pairs(base: Sequence[Measured], contender: Sequence[Measured], metric: str) -> list[tuple[float, float]]:
    ours, theirs = _of_blocks(base, metric), _of_blocks(contender, metric)
    return [(ours[block], theirs[block]) for block in sorted(ours.keys() & theirs.keys())]


def _of_blocks(trials: Sequence[Measured], metric: str) -> dict[int, float]:
    """Return valid trials' values by block; zero has no ratio, so it counts as not measured here."""
    values = ((trial.block, trial.metrics.get(metric)) for trial in trials if trial.valid)
    return {block: value for block, value in values if value is not None and value > 0}


def _p(estimate: stats.Ratio | None) -> float:
    assert estimate is not None, "the caller chose those that were tested"
    assert estimate.p is not None, "likewise"
    return estimate.p
