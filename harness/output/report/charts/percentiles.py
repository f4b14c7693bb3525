"""The percentile spectrum: response times up to the slowest of ten thousand, all variants overlaid."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator

from harness.ground.histogram import Histogram
from harness.output.report.charts.axes import logarithmic
from harness.output.report.charts.chart import Chart, Material, Option, digits, name_of, short
from harness.records.summary import CellSummary

_STEPS = 40
"""Of a curve, from 0 to 99.99 %: ten a nine."""
_NINES = tuple(4 * step / _STEPS for step in range(_STEPS + 1))
MARKED = (50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99)
"""The percentiles of the table behind the chart."""
_TICKS = (50.0, 90.0, 99.0, 99.9, 99.99)
_ABOVE = 10
"""A percentile is drawn where as many requests lie above it."""


def percentiles(material: Material) -> Chart | None:
    """Return the chart; None where no request was answered."""
    curves = {cell.variant.label: _merged(material, cell) for cell in material.group.ranked}
    curves = {label: merged for label, merged in curves.items() if merged.total > _ABOVE}
    if not curves:
        return None
    cells = [cell for cell in material.group.ranked if cell.variant.label in curves]
    columns = {cell.variant.label: tuple(_curve(curves[cell.variant.label])) for cell in cells}
    known = [ms for column in columns.values() for ms in column if ms is not None]
    return Chart(
        name="percentiles",
        title="Response time by percentile",
        note="All valid trials together, up to where fewer than ten requests were slower. Both axes are "
        "logarithmic: each step to the right is ten times rarer.",
        alt="Response time by percentile: "
        + "; ".join(f"{name_of(cell)} {_told(curves[cell.variant.label])}" for cell in cells)
        + ".",
        kinds=("latency",),
        option={
            "grid": {"left": 4, "right": 24, "top": 8, "bottom": 4, "outerBoundsMode": "same"},
            "dataset": {
                "source": {
                    "nines": [round(nines, 3) for nines in _NINES],
                    **{str(place): columns[cell.variant.label] for place, cell in enumerate(cells)},
                }
            },
            "xAxis": {
                "type": "value",
                "min": 0,
                "max": _NINES[-1],
                "name": "percentile of requests",
                "nameLocation": "middle",
                "nameGap": 28,
                "axisLabel": {"customValues": _ticks(), "formatter": {"call": "percentile"}},
                "axisTick": {"customValues": _ticks()},
            },
            "yAxis": {**logarithmic(known), "name": "ms"},
            "unit": ["ms"],
            "tooltip": {"trigger": "axis"},
            "series": [
                *(_line(material, cell, place) for place, cell in enumerate(cells)),
                *(_signs(material, cell, curves[cell.variant.label]) for cell in cells),
            ],
        },
        height_px=380,
        row_px=0,
        legend=True,
        headers=("variant", *(f"p{percent:g} ms" for percent in MARKED)),
        rows=tuple((name_of(cell), *_row(curves[cell.variant.label])) for cell in cells),
    )


def nines_of(percent: float) -> float:
    """Return the place on the axis: 90 % is 1, 99 % is 2."""
    return -math.log10(1 - percent / 100)


def _merged(material: Material, cell: CellSummary) -> Histogram:
    return Histogram.merge(trial.stored.histogram("response") for trial in material.valid(cell))


def _curve(merged: Histogram) -> Iterator[float | None]:
    """Yield the time at each step of the axis, None past the last that enough requests tell."""
    spectrum = merged.spectrum()
    percents = [percent for percent, _ in spectrum]
    last = _last(merged)
    for nines in _NINES:
        percent = 100 - 100 / 10**nines
        place = min(bisect_left(percents, percent - 1e-9), len(spectrum) - 1)
        yield short(spectrum[place][1]) if percent <= last else None


def _last(merged: Histogram) -> float:
    return 100 * (1 - _ABOVE / merged.total) + 1e-9


def _line(material: Material, cell: CellSummary, place: int) -> Option:
    look = material.looks[cell.variant.label]
    return {
        "type": "line",
        "name": name_of(cell),
        "encode": {"x": "nines", "y": str(place)},
        "color": look.colour,
        "lineStyle": {**look.line, "width": 2},
    }


def _signs(material: Material, cell: CellSummary, merged: Histogram) -> Option:
    """Return the variant's sign at the ticks of its curve, so that lines are told apart without colours."""
    look = material.looks[cell.variant.label]
    at = [(percent, merged.percentile_ms(percent)) for percent in _TICKS if percent <= _last(merged)]
    return {
        "type": "scatter",
        "name": name_of(cell),
        "silent": True,
        **look.mark,
        "symbolSize": 9,
        "tooltip": {"show": False},
        "data": [[round(nines_of(percent), 3), short(ms)] for percent, ms in at if ms is not None],
    }


def _row(merged: Histogram) -> Iterator[str]:
    last = _last(merged)
    for percent in MARKED:
        yield digits(merged.percentile_ms(percent) if percent <= last else None)


def _told(merged: Histogram) -> str:
    return ", ".join(f"p{percent:g} {digits(merged.percentile_ms(percent))} ms" for percent in (50.0, 99.0))


def _ticks() -> list[float]:
    return [round(nines_of(percent), 3) for percent in _TICKS]
