"""When open load is meant to be sent."""

import random
from itertools import islice, pairwise

import pytest
from scipy import stats

from harness.ground.model import Load
from harness.loadgen.schedule import intended_times

SECOND_NS = 1_000_000_000


def moments(load: Load, each: int, seed: int = 1) -> list[int]:
    """Return the first moments of all users, in order."""
    users = range(load.users)
    found = [
        list(islice(intended_times(random.Random(f"{seed}/{user}"), 0, load, user), each)) for user in users
    ]
    return sorted(moment for of_user in found for moment in of_user)


def test_constant_steps_are_equal_over_all_users() -> None:
    """With constant arrivals the users take turns, and all steps are 1/rate."""
    steps = {b - a for a, b in pairwise(moments(Load("rate", 50, 200.0, arrivals="constant"), 20))}
    assert max(steps) - min(steps) <= 2  # ns
    assert min(steps) == pytest.approx(SECOND_NS / 200, abs=1)


def test_poisson_arrivals_of_all_users_are_one_poisson_process() -> None:
    """The union of the users' processes has exponential steps of mean 1/rate (Kolmogorov-Smirnov)."""
    load = Load("rate", 100, 500.0)
    found = moments(load, 60)
    early = [moment for moment in found if moment < 8 * SECOND_NS]  # every user still has more to come
    steps = [(b - a) / SECOND_NS for a, b in pairwise(early)]
    assert stats.kstest(steps, stats.expon(scale=1 / 500).cdf).pvalue > 0.01


def test_the_schedule_is_fixed_in_advance() -> None:
    """Two drawings of one seed are equal, those of two seeds are not."""
    load = Load("rate", 10, 100.0)
    assert moments(load, 10) == moments(load, 10)
    assert moments(load, 10) != moments(load, 10, seed=2)
