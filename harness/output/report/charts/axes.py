"""Logarithmic axes that end, and are marked, on the series 1, 2, 5, 10."""

from __future__ import annotations

from collections.abc import Sequence

from harness.output.report.charts.chart import Option

LEAST = 1e-4
"""The least value that an axis can show: what is drawn down to it goes past the edge."""
LEAST_SPAN = 5.0
"""The least ratio between the ends: a flat curve should look flat."""


def logarithmic(values: Sequence[float]) -> Option:
    """Return an axis that holds these values, which are positive, as far as it can show them."""
    low, high = _bounds(min(values), max(values))
    marks = [step for step in _steps() if low <= step <= high]
    return {
        "type": "log",
        "min": low,
        "max": high,
        "axisLabel": {"customValues": marks},
        "axisTick": {"customValues": marks},
    }


def _bounds(least: float, greatest: float) -> tuple[float, float]:
    low, high = least, max(greatest, least * 1.01)
    if high < LEAST_SPAN * low:
        middle = (low * high) ** 0.5
        low, high = middle / LEAST_SPAN**0.5, middle * LEAST_SPAN**0.5
    steps = _steps()
    return (
        max((step for step in steps if step <= low), default=LEAST),
        min((step for step in steps if step >= high), default=steps[-1]),
    )


def _steps() -> Sequence[float]:
    return [float(f"{lead}e{power}") for power in range(-4, 8) for lead in (1, 2, 5)]
