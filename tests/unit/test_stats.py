import math
import random

import numpy as np
import pytest

from harness.ground import stats


def test_single_pair_has_no_interval() -> None:
    """One block tells a ratio and nothing about its spread."""
    assert stats.paired_ratio([100.0], [200.0]) == stats.Ratio(pytest.approx(2.0), None, None, None, 1)  # type: ignore[arg-type]


def test_equal_ratios_leave_no_spread() -> None:
    """Blocks that all say the same ratio give an interval of that ratio, not a division by zero."""
    same = stats.paired_ratio([100.0, 110.0, 90.0], [200.0, 220.0, 180.0])
    assert (same.low, same.high) == (same.ratio, same.ratio)
    assert same.p == 0.0
    assert stats.paired_ratio([3.0, 4.0], [3.0, 4.0]).p == 1.0


def test_closed_case() -> None:
    """Log ratios of ln 2 and ln 8 have mean ln 4, standard error ln 2, and t = 2 on one degree."""
    ratio = stats.paired_ratio([1.0, 1.0], [2.0, 8.0])
    assert ratio.ratio == pytest.approx(4.0)
    assert ratio.p == pytest.approx(0.29516723530086653)
    assert ratio.high == pytest.approx(4 * 2**12.706204736432095)


@pytest.mark.parametrize(
    ("base", "contender"), [([], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([1.0], [float("inf")])]
)
def test_what_has_no_ratio_is_refused(base: list[float], contender: list[float]) -> None:
    """No pairs, unequal lengths, zeros and infinities raise rather than give a figure."""
    with pytest.raises(ValueError):
        stats.paired_ratio(base, contender)


def test_mean_interval() -> None:
    """10, 12 and 14 have mean 12 and a standard error of 2/√3; one value has no interval."""
    mean = stats.mean_interval([10.0, 12.0, 14.0])
    assert mean.value == 12.0
    assert mean.high == pytest.approx(12 + 4.302652729911275 * 2 / 3**0.5)
    assert stats.mean_interval([7.0]) == stats.Mean(7.0, None, None)
    with pytest.raises(ValueError, match="needs values"):
        stats.mean_interval([])


def test_coefficient_of_variation() -> None:
    """It is the sample deviation over the mean, and unknown where there is no spread to see."""
    assert stats.coefficient_of_variation([9.0, 10.0, 11.0]) == pytest.approx(0.1)
    assert stats.coefficient_of_variation([9.0]) is None
    assert stats.coefficient_of_variation([-1.0, 1.0]) is None


def test_rank_intervals() -> None:
    """A beats both others, which can't be told apart: 1 to 1, and 2 to 3 twice."""
    ranks = stats.rank_intervals(["a", "b", "c"], [("a", "b"), ("a", "c"), ("a", "gone")])
    assert ranks == {"a": (1, 1), "b": (2, 3), "c": (2, 3)}


def test_a_step_is_found_where_it_is() -> None:
    """Five values around 10 and five around 12 change at the fifth; an even series never changes."""
    assert stats.change_points([10.0, 10.1, 9.9, 10.0, 10.1, 12.0, 11.9, 12.1, 12.0, 11.9]) == (5,)
    assert stats.change_points([10.0, 10.1, 9.9, 10.0, 10.1, 9.9, 10.0, 10.1]) == ()
    assert stats.change_points([1.0, 9.0, 1.0]) == ()


def test_a_shift_is_relative_to_the_mean() -> None:
    """From 8 to 12 around 10 the level shifts by 40 %; a single high value is no level."""
    assert stats.level_shift([8.0, 8.1, 7.9, 8.0, 12.0, 12.1, 11.9, 12.0]) == pytest.approx(0.4, abs=0.01)
    assert stats.level_shift([8.0, 8.1, 7.9, 8.0, 8.1, 8.0, 7.9, 8.0]) == 0.0
    assert stats.level_shift([8.0, 8.1, 7.9, 8.0, 8.1, 8.0, 7.9, 20.0]) < 0.01


def test_noise_alone_seldom_shifts() -> None:
    """Of a thousand series of 8 values with 1 % of noise none shifts by more than 5 %."""
    chance = random.Random(5)
    shifts = [stats.level_shift([chance.gauss(100, 1) for _ in range(8)]) for _ in range(1000)]
    assert max(shifts) < 0.05


def test_required_pairs_have_the_power_that_is_claimed() -> None:
    """That many simulated pairs find the effect in 80 % of 2000 experiments, one pair fewer in less."""
    spread, effect = 0.03, 0.05
    pairs = stats.required_pairs(spread, effect)
    assert pairs == 6
    chance = np.random.default_rng(3)
    found = [
        sum(
            abs(logs.mean()) / (logs.std(ddof=1) / math.sqrt(n)) > stats.t_quantile(n - 1)
            for logs in chance.normal(math.log1p(effect), spread, (2000, n))
        )
        / 2000
        for n in (pairs, pairs - 1)
    ]
    assert found[0] >= 0.78
    assert found[1] < 0.80


def test_no_number_of_pairs_is_none() -> None:
    """Where a thousand pairs don't find it there is no number; without spread two pairs do."""
    assert stats.required_pairs(3.0, 0.01) is None
    assert stats.required_pairs(0.0, 0.01) == 2
    assert stats.required_pairs(1e-11, 0.05) == 2  # where the non-central t has no number any more
    with pytest.raises(ValueError, match="no number of pairs"):
        stats.required_pairs(0.1, 0.0)


def test_bootstrap_is_a_check_from_twenty_pairs_on() -> None:
    """For even noise it lies near the t interval; it is the same each time, and none for few pairs."""
    chance = np.random.default_rng(4)
    base = list(chance.normal(100, 1, 20))
    contender = [value * ratio for value, ratio in zip(base, chance.normal(1.1, 0.02, 20), strict=True)]
    t, bca = stats.paired_ratio(base, contender), stats.bootstrapped_ratio(base, contender)
    assert bca == stats.bootstrapped_ratio(base, contender)
    assert bca is not None
    assert t.low is not None
    assert t.high is not None
    assert bca[0] == pytest.approx(t.low, abs=0.1 * (t.high - t.low) + 0.001)
    assert bca[1] == pytest.approx(t.high, abs=0.1 * (t.high - t.low) + 0.001)
    assert stats.bootstrapped_ratio(base[:19], contender[:19]) is None
    assert stats.bootstrapped_ratio(base, base) is None
