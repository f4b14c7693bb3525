"""The Universal Scalability Law: how throughput grows with concurrency, and why it stops. Pure functions.

    X(N) = λ N / (1 + α (N − 1) + β N (N − 1))

λ is the throughput of one, α what all have to wait for (contention), β what each pair costs (coherence). With
β = 0 it is Amdahl's law (Gunther, "Guerrilla Capacity Planning", Springer 2007; "A general theory of
computational scalability based on rational functions", arXiv:0808.1431, 2008).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from harness.ground.stats import CONFIDENCE, Mean, t_quantile

LEAST_LEVELS = 6
"""With fewer, three parameters are less a fit than a drawing (Gunther 2007 asks for six)."""
POOR = 0.1
"""The greatest relative residual from which a fit is called poor."""
DRAWS = 1000
"""Of the bootstrap: 25 lie beyond each bound."""


@dataclass(frozen=True, slots=True)
class Law:
    """The law with its parameters."""

    rate: float
    """λ, in the throughput's unit."""
    contention: float
    """α."""
    coherence: float
    """β."""

    def at(self, level: float) -> float:
        """Return the throughput at a level of concurrency."""
        return self.rate * level / (1 + (level - 1) * (self.contention + self.coherence * level))

    @property
    def peak(self) -> float:
        """The level of the greatest throughput; infinite where it never falls, 0 where it always does."""
        if self.contention >= 1:
            return 0.0
        return math.sqrt((1 - self.contention) / self.coherence) if self.coherence else math.inf


@dataclass(frozen=True, slots=True)
class Fit:
    """The law that is nearest to what was measured."""

    law: Law
    rate: Mean
    """Each parameter with its bootstrap interval; the bounds are None where a level has a single trial."""
    contention: Mean
    coherence: Mean
    peak: Mean
    """The bounds may be infinite."""
    residuals: tuple[float, ...]
    """For each level in order: the mean of what was measured over the law, less 1."""

    @property
    def greatest_residual(self) -> float:
        """The residual that is farthest from 0, without its sign."""
        return max(map(abs, self.residuals))

    @property
    def poor(self) -> bool:
        """Whether the law is no description of what was measured."""
        return self.greatest_residual > POOR


def fit(trials: Mapping[float, Mapping[int, float]], seed: int = 0, draws: int = DRAWS) -> Fit | str:
    """Return the law of trials by level and block, or why there is none; each level has one at least.

    Intervals are percentiles of a bootstrap; the same seed gives the same. On a log scale, what a block has
    in common is drawn apart from what is left, and the latter within levels, so that a drift of the machine
    is in the interval of λ alone: it leaves α and β as they are. Percentiles of few trials cover too little,
    so deviations are enlarged by √(n/(n − 1)) and by Student's t over the normal quantile (Hesterberg, "What
    teachers should know about the bootstrap", The American Statistician 69(4), 2015).
    """
    levels = np.array(sorted(trials), float)
    if len(levels) < LEAST_LEVELS:
        return f"{len(levels)} levels, {LEAST_LEVELS} are needed"
    if levels[0] < 1:
        return "the law counts from 1, and the lowest level is below"
    means = np.array([np.mean(list(trials[level].values())) for level in levels])
    law = _nearest(levels, means)
    if law is None:
        return "throughput grows faster than the level from the start, which the law can't tell"
    drawn = [] if min(map(len, trials.values())) < 2 else _drawn(levels, means, trials, seed, draws)
    return Fit(
        law=law,
        rate=_with_bounds(law.rate, [one.rate for one in drawn]),
        contention=_with_bounds(law.contention, [one.contention for one in drawn]),
        coherence=_with_bounds(law.coherence, [one.coherence for one in drawn]),
        peak=_with_bounds(law.peak, [one.peak for one in drawn]),
        residuals=tuple(float(mean / law.at(level)) - 1 for level, mean in zip(levels, means, strict=True)),
    )


_Numbers = np.ndarray[tuple[int], np.dtype[np.float64]]


def _nearest(levels: _Numbers, means: _Numbers) -> Law | None:
    """Return the law with the least squares of relative residuals; None where its λ would be infinite.

    N / X(N) is linear in 1/λ, α/λ and β/λ, none of which may be negative; each row times X/N gives what was
    measured over the law, which has to be 1. So the problem is convex, needs no start, and has one answer
    (Lawson and Hanson, "Solving least squares problems", 1974, chapter 23).
    """
    from scipy.optimize import nnls  # takes a while to load, and few runs need it

    weights = means / levels
    columns = np.column_stack([weights, weights * (levels - 1), weights * levels * (levels - 1)])
    scale = np.linalg.norm(columns, axis=0)
    inverse, contention, coherence = nnls(columns / scale, np.ones(len(levels)))[0] / scale
    if inverse <= 0:
        return None
    return Law(float(1 / inverse), float(contention / inverse), float(coherence / inverse))


def _drawn(
    levels: _Numbers, means: _Numbers, trials: Mapping[float, Mapping[int, float]], seed: int, draws: int
) -> list[Law]:
    chance = np.random.default_rng(seed)
    logs = [{block: math.log(value) for block, value in trials[level].items()} for level in levels]
    away = [{block: one - sum(own.values()) / len(own) for block, one in own.items()} for own in logs]
    blocks = sorted({block for own in away for block in own})
    common = {block: float(np.mean([own[block] for own in away if block in own])) for block in blocks}
    drawn = np.empty((draws, len(levels)))
    for place, own in enumerate(away):
        left = [one - common[block] for block, one in own.items()]
        alone = math.sqrt(len(levels) / (len(levels) - 1))  # what the common part took away
        drawn[:, place] = means[place] * np.exp(alone * _resampled(left, chance, draws))
    of_all = np.exp(_resampled(list(common.values()), chance, draws))
    return [
        Law(math.inf, math.inf, math.inf)
        if law is None
        else Law(law.rate * factor, law.contention, law.coherence)
        for law, factor in zip(map(partial(_nearest, levels), drawn), map(float, of_all), strict=True)
    ]


def _resampled(values: Sequence[float], chance: np.random.Generator, draws: int) -> _Numbers:
    """Return the means of samples with replacement, spread as the mean of so few values is."""
    count = len(values)
    enlarged = math.sqrt(count / (count - 1)) * t_quantile(count - 1) / t_quantile(math.inf)
    means: _Numbers = chance.choice(np.asarray(values, float), (draws, count)).mean(axis=1) * enlarged
    return means


def _with_bounds(value: float, drawn: Sequence[float]) -> Mean:
    if not drawn:
        return Mean(value, None, None)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], method="inverted_cdf")  # which never adds infinities
    return Mean(value, float(low), float(high))
