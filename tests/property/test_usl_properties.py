"""What must hold for the Universal Scalability Law and its fit whatever the values."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ground import usl

LEVELS = (1.0, 2.0, 4.0, 16.0, 64.0, 1000.0)
rates = st.floats(1.0, 1e5)
laws = st.builds(usl.Law, rate=rates, contention=st.floats(0, 2), coherence=st.floats(0, 0.1))
trials = st.fixed_dictionaries(
    {level: st.dictionaries(st.integers(1, 5), rates, min_size=1, max_size=3) for level in LEVELS}
)


@given(laws)
def test_one_has_the_rate_of_one(law: usl.Law) -> None:
    """X(1) is λ, X is never above λN, and no level has more than the peak."""
    assert law.at(1) == pytest.approx(law.rate)
    assert all(0 < law.at(level) <= law.rate * level * (1 + 1e-12) for level in LEVELS)
    if 1 <= law.peak < math.inf:
        assert all(law.at(level) <= law.at(law.peak) * (1 + 1e-9) for level in LEVELS)


@given(trials)
@settings(deadline=None)
def test_a_fit_is_within_its_bounds(measured: dict[float, dict[int, float]]) -> None:
    """Whatever was measured, λ is positive and finite, α and β are not negative, residuals are finite."""
    found = usl.fit(measured, draws=20)
    if isinstance(found, str):
        return
    assert 0 < found.law.rate < math.inf
    assert found.law.contention >= 0
    assert found.law.coherence >= 0
    assert len(found.residuals) == len(LEVELS)
    assert all(math.isfinite(residual) and residual > -1 for residual in found.residuals)


@given(trials, st.floats(0.01, 100))
@settings(deadline=None)
def test_the_unit_does_not_matter(measured: dict[float, dict[int, float]], factor: float) -> None:
    """In another unit of throughput λ and its bounds scale, α and β stay."""
    scaled = {level: {b: v * factor for b, v in own.items()} for level, own in measured.items()}
    one, other = usl.fit(measured, draws=20), usl.fit(scaled, draws=20)
    if isinstance(one, str) or isinstance(other, str):
        return
    assert other.law.rate == pytest.approx(factor * one.law.rate, rel=1e-4)
    assert other.law.contention == pytest.approx(one.law.contention, rel=1e-4, abs=1e-6)
    assert other.law.coherence == pytest.approx(one.law.coherence, rel=1e-4, abs=1e-9)
