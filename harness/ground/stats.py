"""The statistics that judgements rest on: ratios, intervals, adjusted p values, ranks. Pure functions.

Every interval is a 95 % interval by Student's t. Trials are few (5 to 20), and there bootstrap intervals
cover too little: 83 % at n = 5 and 90 % at n = 10 where 95 % is claimed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np
from scipy import special

CONFIDENCE = 0.95
BCA_PAIRS = 20
"""With fewer the bootstrap covers too little to check anything."""
_MAD_TO_SIGMA = 1.4826
_ROUNDING = 1e-12
"""Spread of log ratios below this is what floating point leaves of equal ratios."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Contender over base."""

    ratio: float
    """The geometric mean of the pairs' ratios; where there are no pairs, of the sides' geometric means."""
    low: float | None
    high: float | None
    p: float | None
    """Two-sided, against a ratio of 1; None, as the bounds, where there are too few values."""
    trials: int
    """Of either side; of the side with fewer where they are not paired."""


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of independent trials; the bounds are None with a single one."""

    value: float
    low: float | None
    high: float | None


def t_quantile(degrees: float) -> float:
    """Return Student's t that leaves 2.5 % on either side (Student, Biometrika 6, 1908)."""
    return float(special.stdtrit(degrees, 0.5 + CONFIDENCE / 2))


def paired_ratio(base: Sequence[float], contender: Sequence[float]) -> Ratio:
    """Return the geometric mean of contender/base with its paired t interval on log ratios.

    Ratios are averaged geometrically because only then does swapping the sides invert the result
    (Fleming and Wallace, "How not to lie with statistics", CACM 29(3), 1986). Pairs are blocks, so that
    what drifts between blocks cancels (Kalibera and Jones, "Rigorous benchmarking in reasonable time",
    ISMM 2013). Where all pairs have the same ratio the interval is that ratio, and p is 0, or 1 at a ratio
    of 1. Raises ValueError for no pairs, unequal lengths, or a value that is not positive and finite.
    """
    if not base or len(base) != len(contender):
        raise ValueError(f"pairs are needed, not {len(base)} and {len(contender)} values")
    logs = _logs(contender) - _logs(base)
    centre, pairs = float(logs.mean()), len(logs)
    if pairs == 1:
        return Ratio(math.exp(centre), None, None, None, pairs)
    return _ratio(centre, float(logs.std(ddof=1)) / math.sqrt(pairs), pairs - 1, pairs)


def bootstrapped_ratio(
    base: Sequence[float], contender: Sequence[float], seed: int = 0
) -> tuple[float, float] | None:
    """Return the BCa bootstrap's interval of the same ratio, as a cross-check; None below `BCA_PAIRS`.

    Bias-corrected and accelerated (Efron, "Better bootstrap confidence intervals", JASA 82, 1987), by
    scipy. Where it is far from the t interval, the ratios are skewed and neither may be taken at its word.
    The same seed gives the same interval.
    """
    if len(base) != len(contender) or len(base) < BCA_PAIRS:
        return None
    logs = _logs(contender) - _logs(base)
    if float(logs.std(ddof=1)) <= _ROUNDING:
        return None
    from scipy.stats import bootstrap  # takes a second to load, and few runs need it

    interval = bootstrap(
        (logs,), np.mean, confidence_level=CONFIDENCE, method="BCa", rng=np.random.default_rng(seed)
    ).confidence_interval
    return math.exp(float(interval.low)), math.exp(float(interval.high))


def unpaired_ratio(base: Sequence[float], contender: Sequence[float]) -> Ratio:
    """Return the ratio of the geometric means with Welch's interval on logs: nothing pairs the values.

    The sides' spreads may differ (Welch, "The generalization of 'Student's' problem when several different
    population variances are involved", Biometrika 34, 1947). What drifts between the two sides' times is in
    the ratio and not in the interval. Raises ValueError for an empty side, or a value that is not positive
    and finite.
    """
    if not base or not contender:
        raise ValueError("a ratio needs values on both sides")
    sides = _logs(base), _logs(contender)
    centre, trials = float(sides[1].mean() - sides[0].mean()), min(map(len, sides))
    if trials == 1:
        return Ratio(math.exp(centre), None, None, None, trials)
    shares = [float(side.var(ddof=1)) / len(side) for side in sides]
    error = math.sqrt(sum(shares))
    weights = [share**2 / (len(side) - 1) for share, side in zip(shares, sides, strict=True)]
    degrees = error**4 / sum(weights) if sum(weights) > 0 else trials - 1
    return _ratio(centre, error, degrees, trials)


def _logs(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if not all(math.isfinite(value) and value > 0 for value in values):
        raise ValueError("a ratio needs positive, finite values")
    logs: np.ndarray[tuple[int], np.dtype[np.float64]] = np.log(np.asarray(values, float))
    return logs


def _ratio(centre: float, error: float, degrees: float, trials: int) -> Ratio:
    """Return the ratio whose log is `centre`, with the standard error `error`."""
    if error <= _ROUNDING:
        same = math.exp(centre)
        return Ratio(same, same, same, float(abs(centre) <= _ROUNDING), trials)
    half = t_quantile(degrees) * error
    p = 2 * float(special.stdtr(degrees, -abs(centre) / error))
    return Ratio(math.exp(centre), math.exp(centre - half), math.exp(centre + half), p, trials)


def mean_interval(values: Sequence[float]) -> Mean:
    """Return the mean with its t interval over independent trials.

    The interval is about the mean of such trials on this machine at this time, between blocks and
    unpaired: two cells whose intervals overlap may still differ by their paired ratio. It is symmetric and
    not cut at zero. Raises ValueError where there are no values.
    """
    if not values:
        raise ValueError("a mean needs values")
    array = np.asarray(values, float)
    centre = float(array.mean())
    if len(array) == 1:
        return Mean(centre, None, None)
    half = t_quantile(len(array) - 1) * float(array.std(ddof=1)) / math.sqrt(len(array))
    return Mean(centre, centre - half, centre + half)


def required_pairs(spread: float, effect: float, power: float = 0.8, most: int = 1000) -> int | None:
    """Return how many pairs find a ratio of 1 + `effect` with that power; None where `most` don't.

    `spread` is the standard deviation of the pairs' log ratios. Exact for a paired two-sided t test at 5 %
    whose logs are normal: the non-central t distribution (Lehmann and Romano, "Testing Statistical
    Hypotheses", 3rd edition, 2005, section 5.2). Raises ValueError for a negative spread or an effect of 0.
    """
    if spread < 0 or effect <= -1 or not effect:
        raise ValueError(f"no number of pairs for a spread of {spread} and an effect of {effect}")
    distance = abs(math.log1p(effect))
    if spread <= _ROUNDING:
        return 2
    for pairs in range(2, most + 1):
        away = distance / spread * math.sqrt(pairs)
        missed = special.nctdtr(pairs - 1, away, t_quantile(pairs - 1))
        if math.isnan(missed) or missed <= 1 - power:  # nan far beyond any spread
            return pairs
    return None


def geometric_mean(values: Sequence[float]) -> float | None:
    """Return the geometric mean of positive values; None where there are none."""
    return math.exp(float(_logs(values).mean())) if values else None


def coefficient_of_variation(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation over the mean; None for fewer than two values or a mean of 0."""
    if len(values) < 2:
        return None
    array = np.asarray(values, float)
    centre = float(array.mean())
    return float(array.std(ddof=1)) / abs(centre) if centre else None


def change_points(values: Sequence[float], least: int = 3) -> tuple[int, ...]:
    """Return the indices at which the level changes; each part has at least `least` values.

    Optimal partitioning (Jackson et al., "An algorithm for optimal partitioning of data on an interval", IEEE
    Signal Processing Letters 12(2), 2005) with squared error, and 3 ln n times the variance as the price of
    a change (Zhang and Siegmund, Biometrics 63, 2007). The variance comes from the differences of neighbours,
    so that changes of level do not enlarge it.
    """
    count = len(values)
    if count < 2 * least:
        return ()
    array = np.asarray(values, float)
    steps = [abs(later - earlier) for earlier, later in pairwise(array.tolist())]
    spread = _MAD_TO_SIGMA * median(steps) / math.sqrt(2)
    price = 3 * math.log(count) * spread**2
    sums = np.concatenate(([0.0], array.cumsum()))
    squares = np.concatenate(([0.0], (array * array).cumsum()))

    cost, begin = np.full(count + 1, -price), [0] * (count + 1)
    for end in range(least, count + 1):
        starts = np.array([0, *range(least, end - least + 1)])
        errors = squares[end] - squares[starts] - (sums[end] - sums[starts]) ** 2 / (end - starts)
        costs = cost[starts] + errors + price
        place = int(costs.argmin())
        cost[end], begin[end] = costs[place], int(starts[place])
    found, end = [], count
    while begin[end] > 0:
        end = begin[end]
        found.append(end)
    return tuple(reversed(found))


def level_shift(values: Sequence[float]) -> float:
    """Return how far the level of any part is from the last part's, over the mean of all values.

    A part's level is its median: a single value that is far from the others is none.
    """
    edges = [0, *change_points(values), len(values)]
    levels = [float(median(values[start:end])) for start, end in pairwise(edges)]
    overall = float(np.mean(values))
    return max(abs(level - levels[-1]) for level in levels) / abs(overall) if overall else 0.0


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return the p values adjusted for their number, in the order given.

    The step-down method of Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
    Journal of Statistics 6, 1979: the chance of one false rejection or more in the family stays below the
    level, whatever the dependence.
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for step, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - step) * p_values[index]))
        adjusted[index] = highest
    return tuple(adjusted)


def rank_intervals(names: Sequence[str], beats: Iterable[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """Return each name's best and worst rank: 1 + those that beat it, and k − those that it beats.

    `beats` holds (better, worse) for each significant difference. With simultaneous tests such intervals
    hold all true ranks together (Mogstad, Romano, Shaikh and Wilhelm, "Inference for ranks", Review of
    Economic Studies 91(1), 2024).
    """
    pairs = {(better, worse) for better, worse in beats if better in names and worse in names}
    wins = Counter(better for better, _ in pairs)
    losses = Counter(worse for _, worse in pairs)
    return {name: (1 + losses[name], len(names) - wins[name]) for name in names}
