"""What must hold for statistics whatever the values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness.ground import stats

positive = st.floats(1e-3, 1e6)
pairs = st.lists(st.tuples(positive, positive), min_size=2, max_size=20)
probabilities = st.lists(st.floats(0, 1), max_size=20)


def split(values: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Return the bases and the contenders."""
    return [a for a, _ in values], [b for _, b in values]


@given(pairs)
def test_swapping_inverts(values: list[tuple[float, float]]) -> None:
    """Swapping base and contender inverts ratio and interval and leaves p."""
    base, contender = split(values)
    there, back = stats.paired_ratio(base, contender), stats.paired_ratio(contender, base)
    assert there.ratio == pytest.approx(1 / back.ratio)
    assert there.low == pytest.approx(1 / back.high)  # type: ignore[operator]
    assert there.high == pytest.approx(1 / back.low)  # type: ignore[operator]
    assert there.p == pytest.approx(back.p)


@given(pairs, st.floats(0.01, 100))
def test_scale_does_not_matter(values: list[tuple[float, float]], factor: float) -> None:
    """Both sides in another unit, or each block on a machine of another speed, give the same ratio."""
    base, contender = split(values)
    plain = stats.paired_ratio(base, contender)
    speeds = [factor * (1 + block) for block in range(len(base))]
    scaled = stats.paired_ratio(
        [b * s for b, s in zip(base, speeds, strict=True)],
        [c * s for c, s in zip(contender, speeds, strict=True)],
    )
    assert scaled.ratio == pytest.approx(plain.ratio)
    assert scaled.low == pytest.approx(plain.low, rel=1e-6)
    assert scaled.high == pytest.approx(plain.high, rel=1e-6)


@given(pairs)
def test_agrees_with_scipy(values: list[tuple[float, float]]) -> None:
    """Interval and p are those of scipy's one-sample t test on log ratios."""
    base, contender = split(values)
    logs = np.log(contender) - np.log(base)
    if logs.std(ddof=1) < 1e-9:
        return
    ours, theirs = stats.paired_ratio(base, contender), scipy_stats.ttest_1samp(logs, 0.0)
    interval = theirs.confidence_interval(0.95)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)
    assert math.log(ours.low or 0) == pytest.approx(interval.low, rel=1e-6, abs=1e-9)
    assert math.log(ours.high or 0) == pytest.approx(interval.high, rel=1e-6, abs=1e-9)


@given(probabilities)
def test_holm_only_raises_and_keeps_order(p_values: list[float]) -> None:
    """Adjusted p values are no lower than the raw ones, at most 1, and in the same order."""
    adjusted = stats.holm(p_values)
    assert all(raw <= new <= 1 for raw, new in zip(p_values, adjusted, strict=True))
    by_raw = [new for _, new in sorted(zip(p_values, adjusted, strict=True))]
    assert by_raw == sorted(by_raw)


@given(st.permutations([0.01, 0.02, 0.03, 0.04]))
def test_holm_does_not_mind_the_order(p_values: list[float]) -> None:
    """The closed case 0.01 0.02 0.03 0.04 gives 0.04 0.06 0.06 0.06 in whichever order."""
    wanted = {0.01: 0.04, 0.02: 0.06, 0.03: 0.06, 0.04: 0.06}
    assert stats.holm(p_values) == pytest.approx([wanted[p] for p in p_values])


@given(st.lists(positive, min_size=2, max_size=20))
def test_mean_interval_holds_its_mean(values: list[float]) -> None:
    """The interval holds the mean and is scipy's."""
    mean = stats.mean_interval(values)
    assert mean.low is not None
    assert mean.high is not None
    assert mean.low <= mean.value <= mean.high
    if np.std(values) > 1e-6:
        theirs = scipy_stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
        assert (mean.low, mean.high) == pytest.approx((theirs.low, theirs.high), rel=1e-6, abs=1e-6)


@given(st.lists(st.sampled_from("abcde"), unique=True, min_size=1), st.data())
def test_rank_intervals_hold_the_order(names: list[str], data: st.DataObject) -> None:
    """With differences from one true order, every rank interval holds the true rank."""
    order = {name: rank for rank, name in enumerate(names, 1)}
    possible = [(a, b) for a in names for b in names if order[a] < order[b]]
    beats = data.draw(st.lists(st.sampled_from(possible))) if possible else []
    for name, (best, worst) in stats.rank_intervals(names, beats).items():
        assert best <= order[name] <= worst
