"""The Universal Scalability Law on data made from known parameters."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import pytest

from harness.ground import usl
from harness.ground.stats import Mean
from harness.ground.usl import Law

USERS = (1, 4, 16, 64, 250, 1000, 4000)
THREADS = (1, 2, 4, 8, 16, 32)
Trials = Mapping[float, Mapping[int, float]]


def made(
    law: Law, levels: Sequence[int], seed: int, *, noise: float = 0.03, drift: float = 0.05, blocks: int = 5
) -> Trials:
    """Return trials by the law; blocks share a drift of their own, trials have noise besides."""
    chance = random.Random(seed)
    of_block = [chance.gauss(0, drift) for _ in range(blocks)]
    return {
        float(level): {
            block: law.at(level) * math.exp(away + chance.gauss(0, noise))
            for block, away in enumerate(of_block, 1)
        }
        for level in levels
    }


def fitted(trials: Trials, draws: int = 200) -> usl.Fit:
    """Return a fit that there has to be."""
    found = usl.fit(trials, draws=draws)
    assert isinstance(found, usl.Fit), found
    return found


def holds(mean: Mean, value: float) -> bool:
    """Tell whether an interval holds a value."""
    assert mean.low is not None
    assert mean.high is not None
    return mean.low <= value <= mean.high


@pytest.mark.slow
@pytest.mark.parametrize("drift", [0.0, 0.05])
@pytest.mark.parametrize(
    ("law", "levels"),
    [
        (Law(1000, 0.05, 1e-4), THREADS),
        (Law(1000, 0.05, 1e-4), USERS),
        (Law(1000, 0.02, 1e-3), THREADS),
        (Law(1000, 0.1, 0), THREADS),
        (Law(1000, 0, 1e-3), THREADS),
        (Law(1000, 0, 0), USERS),
    ],
)
def test_known_parameters_are_recovered(law: Law, levels: Sequence[int], drift: float) -> None:
    """Of 150 seeds the 95 % intervals of λ, α and β hold the truth in 92 % at least, with drift or not."""
    seeds = 150
    held = dict.fromkeys(("rate", "contention", "coherence"), 0)
    for seed in range(seeds):
        found = fitted(made(law, levels, seed, drift=drift))
        for name in held:
            held[name] += holds(getattr(found, name), getattr(law, name))
    assert min(held.values()) >= 0.92 * seeds, held


@pytest.mark.parametrize(
    "law", [Law(1000, 0.05, 1e-4), Law(3, 0, 0), Law(1000, 0.3, 0), Law(50, 0, 1e-3), Law(900, 1.5, 1e-5)]
)
@pytest.mark.parametrize("levels", [USERS, THREADS])
def test_without_noise_the_fit_is_the_law(law: Law, levels: Sequence[int]) -> None:
    """Parameters come back as they were, with intervals of no width and no residual; α = β = 0 too."""
    found = fitted(made(law, levels, 1, noise=0, drift=0))
    for name in ("rate", "contention", "coherence"):
        mean, due = getattr(found, name), getattr(law, name)
        assert (mean.value, mean.low, mean.high) == pytest.approx((due, due, due), rel=1e-6, abs=1e-9)
    assert found.greatest_residual < 1e-6
    assert not found.poor


def test_the_peak_is_where_the_law_has_it() -> None:
    """N* is √((1 − α)/β): infinite without β, and nowhere where throughput falls from the start."""
    assert Law(1000, 0.05, 1e-4).peak == pytest.approx(math.sqrt(9500))
    assert fitted(made(Law(1000, 0.05, 1e-4), USERS, 1)).peak.value == pytest.approx(97.5, rel=0.2)
    assert Law(1000, 0.05, 0).peak == math.inf
    assert Law(1000, 1.2, 1e-4).peak == 0
    around = [Law(1000, 0.05, 1e-4).at(level) for level in (96, 97.47, 99)]
    assert max(around) == around[1]


def test_the_same_seed_gives_the_same_intervals() -> None:
    """The bootstrap is drawn from its seed alone."""
    trials = made(Law(1000, 0.05, 1e-4), THREADS, 3)
    assert usl.fit(trials) == usl.fit(trials)
    assert usl.fit(trials, seed=1) != usl.fit(trials)


def test_a_drift_of_blocks_is_in_the_interval_of_lambda_alone() -> None:
    """Blocks that are faster or slower as a whole say nothing of α and β."""
    still, drifting = (fitted(made(Law(1000, 0.05, 1e-4), THREADS, 3, drift=drift)) for drift in (0, 0.1))
    width = [[mean.high - mean.low for mean in (one.rate, one.contention)] for one in (still, drifting)]  # type: ignore[operator]
    assert width[1][0] > 2 * width[0][0]
    assert width[1][1] == pytest.approx(width[0][1], rel=0.3)


def test_a_single_trial_has_no_interval() -> None:
    """Where a level has one trial nothing tells how far it may be off."""
    found = fitted(made(Law(1000, 0.05, 1e-4), THREADS, 3, blocks=1))
    assert (found.contention.low, found.contention.high) == (None, None)
    trials = dict(made(Law(1000, 0.05, 1e-4), THREADS, 3))
    trials[8.0] = {2: trials[8.0][2]}
    assert fitted(trials).rate.low is None


def test_missing_trials_are_no_matter() -> None:
    """Levels may lack some blocks, and then still have intervals that hold the truth."""
    trials = {level: dict(own) for level, own in made(Law(1000, 0.05, 1e-4), THREADS, 4).items()}
    del trials[1.0][1], trials[16.0][2], trials[16.0][5]
    assert holds(fitted(trials).contention, 0.05)


@pytest.mark.parametrize(
    ("trials", "why"),
    [
        (made(Law(1000, 0.05, 1e-4), THREADS[:5], 1), "5 levels, 6 are needed"),
        ({}, "0 levels, 6 are needed"),
        ({level / 4: {1: 100.0 * level, 2: 101.0 * level} for level in range(1, 8)}, "counts from 1"),
        ({float(n): {1: n / (n - 1.5)} for n in (2, 3, 4, 5, 6, 7)}, "faster than the level"),
    ],
)
def test_why_there_is_no_fit(trials: Trials, why: str) -> None:
    """Too few levels, levels below 1 and a start that the law can't have are told in words."""
    found = usl.fit(trials)
    assert isinstance(found, str)
    assert why in found


def test_a_saturated_server_is_a_poor_fit() -> None:
    """A closed loop on one server that is busy from two users on is not what the law describes."""
    measured = {level: min(level / 0.0006, 3500.0) for level in map(float, USERS)}
    found = fitted({level: {1: rate, 2: rate * 1.01} for level, rate in measured.items()})
    assert found.poor
    assert found.greatest_residual > usl.POOR
