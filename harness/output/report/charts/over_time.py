"""Throughput, latency, errors, CPU, memory and throttling, second by second on one time axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from harness.judgement.moments import Moment
from harness.output.report.charts.chart import FAINT, INK, Chart, Material, Option, digits, name_of, short
from harness.records.summary import CellSummary

_PANEL_PX, _GAP_PX, _TOP_PX = 72, 44, 28


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    unit: str
    field: str
    """Of a `Moment`."""
    worst: bool = False
    """Whether several seconds in one point show the greatest: percentiles are never averaged over time."""


PANELS = (
    _Panel("Throughput", "requests/s", "requests_per_s"),
    _Panel("Median response time", "ms", "p50_ms", worst=True),
    _Panel("99th percentile of response time", "ms", "p99_ms", worst=True),
    _Panel("Errors", "errors/s", "errors_per_s"),
    _Panel("CPU", "cores", "cores"),
    _Panel("Memory", "MiB", "memory_mib"),
    _Panel("Throttled periods", "%", "throttled_percent"),
)
Course = Mapping[int, Mapping[str, float | None]]
"""By second, by a moment's field."""


def over_time(material: Material) -> Chart | None:
    """Return the chart; None where no valid trial has a series."""
    cells = material.group.ranked
    courses = {cell.variant.label: _course(material, cell) for cell in cells}
    seconds = sorted({second for course in courses.values() for second in course})
    if not seconds:
        return None
    step_s = math.ceil(len(seconds) / material.points)
    times = sorted({second // step_s * step_s for second in seconds})
    drawn = {label: _thinned(course, times, step_s) for label, course in courses.items()}
    panels = [
        panel
        for panel in PANELS
        if any(at[panel.field] is not None for course in drawn.values() for at in course.values())
    ]
    return Chart(
        name="over-time",
        title="Over time",
        note="The median of the valid trials, second by second; 0 is the window's start, and what is shaded "
        f"before it the warm-up.{_thinning(step_s)}",
        alt=f"{', '.join(panel.title for panel in panels)} of {len(cells)} variants over "
        f"{times[-1] - times[0] + step_s} s; the table behind the chart has every point.",
        kinds=("throughput", "latency", "cpu", "memory"),
        option=_option(material, cells, panels, times, drawn),
        height_px=_TOP_PX + len(panels) * (_PANEL_PX + _GAP_PX) + 4,
        row_px=0,
        legend=True,
        headers=("variant", "second", *(f"{_short_title(panel)} {panel.unit}" for panel in panels)),
        rows=tuple(
            (name_of(cell), str(time), *(digits(course[time][panel.field]) for panel in panels))
            for cell, course in ((cell, drawn[cell.variant.label]) for cell in cells)
            for time in times
            if any(value is not None for value in course[time].values())
        ),
    )


def _option(
    material: Material,
    cells: Sequence[CellSummary],
    panels: Sequence[_Panel],
    times: Sequence[int],
    drawn: Mapping[str, Course],
) -> Option:
    last = len(panels) - 1
    tops = [_TOP_PX + place * (_PANEL_PX + _GAP_PX) for place in range(len(panels))]
    return {
        "title": [
            {"text": f"{panel.title}, {panel.unit}", "left": 0, "top": top - 26, "textStyle": {"color": INK}}
            for panel, top in zip(panels, tops, strict=True)
        ],
        "grid": [{"left": 56, "right": 16, "top": top, "height": _PANEL_PX} for top in tops],
        "xAxis": [
            {
                "type": "value",
                "gridIndex": place,
                "min": times[0],
                "max": times[-1],
                "axisLabel": {"show": place == last},
                "axisPointer": {"show": True, "label": {"show": False}},
                **({"name": "seconds", "nameLocation": "middle", "nameGap": 26} if place == last else {}),
            }
            for place in range(len(panels))
        ],
        "unit": [panel.unit for panel in panels],
        "yAxis": [
            {"type": "value", "gridIndex": place, "min": 0, "splitNumber": 2} for place in range(len(panels))
        ],
        "axisPointer": {"link": [{"xAxisIndex": "all"}]},
        "tooltip": {"trigger": "axis"},
        "dataset": {
            "source": {
                "second": times,
                **{
                    f"{of}.{place}": [drawn[cell.variant.label][time][panel.field] for time in times]
                    for of, cell in enumerate(cells)
                    for place, panel in enumerate(panels)
                },
            }
        },
        "series": [
            *(_warm_up(place, times[0]) for place in range(len(panels)) if times[0] < 0),
            *(
                _line(material, cell, f"{of}.{place}", place)
                for of, cell in enumerate(cells)
                for place in range(len(panels))
            ),
        ],
    }


def _line(material: Material, cell: CellSummary, column: str, place: int) -> Option:
    look = material.looks[cell.variant.label]
    return {
        "type": "line",
        "name": name_of(cell),
        "xAxisIndex": place,
        "yAxisIndex": place,
        "encode": {"x": "second", "y": column},
        "color": look.colour,
        **({"lineStyle": look.line} if look.stroke else {}),
    }


def _warm_up(place: int, start_s: int) -> Option:
    return {
        "type": "line",
        "xAxisIndex": place,
        "yAxisIndex": place,
        "data": [],
        "silent": True,
        "markArea": {
            "itemStyle": {"color": FAINT, "opacity": 0.4},
            "data": [[{"xAxis": start_s}, {"xAxis": 0}]],
        },
    }


def _course(material: Material, cell: CellSummary) -> Course:
    """Return the median over a cell's valid trials for each second that any of them has."""
    each = [trial.moments for trial in material.valid(cell)]
    every = sorted({second for of_trial in each for second in of_trial})
    return {
        second: _medians([of_trial[second] for of_trial in each if second in of_trial]) for second in every
    }


def _medians(at_once: Sequence[Moment]) -> dict[str, float | None]:
    return {panel.field: _known(median, (getattr(one, panel.field) for one in at_once)) for panel in PANELS}


def _thinned(course: Course, times: Sequence[int], step_s: int) -> Course:
    """Return a point for each time, of as many seconds as one step has."""
    return {
        time: {
            panel.field: _known(
                max if panel.worst else fmean,
                (course[second][panel.field] for second in range(time, time + step_s) if second in course),
            )
            for panel in PANELS
        }
        for time in times
    }


def _known(combine: Callable[[list[float]], float], values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return short(combine(known)) if known else None


def _thinning(step_s: int) -> str:
    if step_s == 1:
        return ""
    return f" A point stands for {step_s} s: for their worst response times, and the mean of the rest."


def _short_title(panel: _Panel) -> str:
    return {"p50_ms": "p50", "p99_ms": "p99"}.get(panel.field, panel.title.lower())
