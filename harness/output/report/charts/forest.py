"""What changed between two runs, one metric a chart: each variant's change with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.ground.model import Verdict
from harness.judgement.changes import Change
from harness.judgement.comparison import HIGHER_IS_BETTER
from harness.output import change_tables, wording
from harness.output.grids import Kind
from harness.output.report.charts.chart import BAD, FAINT, GOOD, INK, PAPER, SOFT, Chart, Option, short

_KINDS: Mapping[str, Kind] = {
    "requests_per_s": "throughput",
    "response_ms.p50": "latency",
    "response_ms.p99": "latency",
    "cpu.us_per_request": "cpu",
    "cpu.yardsticks_per_request": "cpu",
    "memory_mib.mean": "memory",
}
_TITLES: Mapping[str, str] = {
    "requests_per_s": "Throughput",
    "response_ms.p50": "Median response time",
    "response_ms.p99": "p99 of the response time",
    "cpu.us_per_request": "CPU time a request",
    "cpu.yardsticks_per_request": "CPU time a request, in yardsticks",
    "memory_mib.mean": "Mean memory",
}
_MARKS: Mapping[Verdict, Option] = {
    "faster": {"symbol": "triangle", "itemStyle": {"color": GOOD, "opacity": 1}},
    "slower": {"symbol": "path://M0,0H10L5,9Z", "itemStyle": {"color": BAD, "opacity": 1}},
}
_COLOURS: Mapping[Verdict, str] = {"faster": GOOD, "slower": BAD}
_OPEN: Option = {
    "symbol": "circle",
    "itemStyle": {"color": PAPER, "borderColor": SOFT, "borderWidth": 2, "opacity": 1},
}
"""Of what did not change, or can't be told."""
_LEAST_REACH = 5.0
_STEPS = 4
"""From no change to an end of the axis, at most."""
_WIDEST = 3.0
"""How far beyond the estimates, in times of the greatest, an axis follows intervals."""


def forests(changes: Sequence[Change]) -> tuple[Chart, ...]:
    """Return a chart for each metric of one scenario and load, all of them with one axis."""
    axis = axis_of(changes)
    metrics = dict.fromkeys(change.metric for change in changes)
    return tuple(
        _forest(metric, [one for one in changes if one.metric == metric], *axis) for metric in metrics
    )


def axis_of(changes: Sequence[Change]) -> tuple[float, float]:
    """Return how far the axis goes either way in %, and its step.

    It goes past every estimate, and every interval but the widest: one from two trials may be of thousands of
    percent, and beside it no other change would be seen.
    """
    estimates = [abs(_percent(one.ratio)) for one in changes if one.ratio is not None]
    bounds = [abs(_percent(bound)) for one in changes for bound in (one.low, one.high) if bound is not None]
    needed = max([_LEAST_REACH, *estimates, *(100 * one.floor for one in changes)])
    reach = 1.05 * max(needed, min(max(bounds, default=0.0), _WIDEST * needed))
    step = _round(reach / _STEPS)
    return step * math.ceil(reach / step), step


def _round(step: float) -> float:
    """Return the least of 1, 2, 5, 10, 20, … that is not less."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= step)


def _forest(metric: str, changes: Sequence[Change], reach: float, step: float) -> Chart:
    better = "more" if HIGHER_IS_BETTER[metric] else "less"
    floor = 100 * max(change.floor for change in changes)
    told = "; ".join(f"{wording.plain(one.variant)} {_words(one)}" for one in changes)
    return Chart(
        name=f"change-{metric}",
        title=_TITLES[metric],
        note=f"Change in % with its 95 % interval; {better} is better. Within the band, {floor:.1f} %, "
        "nothing is called a change.",
        alt=f"{_TITLES[metric]}, change from base to new in %: {told}.",
        kinds=(_KINDS[metric],),
        option={
            "grid": {"left": 4, "right": 128, "top": 4, "bottom": 4, "outerBoundsMode": "same"},
            "xAxis": {
                "type": "value",
                "min": -min(reach, step * math.ceil(100 / step)),  # nothing falls by more
                "max": reach,
                "interval": step,
                "name": "change, %",
                "nameLocation": "middle",
                "nameGap": 26,
            },
            "yAxis": {
                "type": "category",
                "inverse": True,
                "data": [wording.plain(one.variant) for one in changes],
                "axisLabel": {"color": INK},
            },
            "tooltip": {"trigger": "item"},
            "series": [_band(floor), *(series for one in changes for series in _series(one, reach))],
        },
        height_px=52,
        row_px=42,
        legend=False,
        headers=("variant", "base", "new", "change %", "verdict", "valid trials"),
        rows=tuple(map(_row, changes)),
    )


def _band(floor: float) -> Option:
    """Return the line of no change in the band of the noise floor; without a name, so no filter hides it."""
    return {
        "type": "line",
        "data": [],
        "silent": True,
        "z": 1,
        "markArea": {
            "itemStyle": {"color": FAINT, "opacity": 0.5},
            "data": [[{"xAxis": -floor}, {"xAxis": floor}]],
        },
        "markLine": {
            "symbol": "none",
            "label": {"show": False},
            "lineStyle": {"color": SOFT, "type": "solid", "width": 1},
            "data": [{"xAxis": 0}],
        },
    }


def _series(change: Change, reach: float) -> tuple[Option, ...]:
    name = wording.plain(change.variant)
    if change.ratio is None:
        return (_text(name, 0, BAD, change_tables.verdict_in_words(change)),)
    bounds = [_within(_percent(bound), 2 * reach) for bound in (change.low, change.high) if bound is not None]
    mark = _OPEN if change.verdict is None else _MARKS.get(change.verdict, _OPEN)
    estimate, _, interval = change_tables.percent(change).partition(" ")
    words = f"{estimate} {change_tables.verdict_in_words(change)}\n{interval}"
    return (
        {
            "type": "line",
            "name": name,
            "z": 2,
            "silent": True,
            "lineStyle": {"color": INK, "width": 2},
            "data": [[bound, name] for bound in bounds],
        },
        {
            "type": "scatter",
            "name": name,
            "z": 3,
            "symbolSize": 12,
            **mark,
            "data": [{"value": [short(_percent(change.ratio)), name], "tip": _words(change)}],
        },
        _text(name, reach, _COLOURS.get(change.verdict or "tie", INK), words),
    )


def _text(name: str, at: float, colour: str, words: str) -> Option:
    """Return words in a variant's row, to the right of a place."""
    label = {"show": True, "position": "right", "distance": 8, "color": colour, "formatter": words}
    return {
        "type": "scatter",
        "name": name,
        "symbolSize": 0,
        "silent": True,
        "itemStyle": {"opacity": 1},  # which the label takes, and less is hard to read
        "data": [{"value": [at, name], "label": {**label, "lineHeight": 15}}],
    }


def _row(change: Change) -> tuple[str, ...]:
    base, new = change.trials
    return (
        wording.plain(change.variant),
        change_tables.figure(change.base),
        change_tables.figure(change.new),
        change_tables.percent(change),
        change_tables.verdict_in_words(change),
        f"{base} and {new}",
    )


def _words(change: Change) -> str:
    if change.ratio is None:
        return change_tables.verdict_in_words(change)
    return f"{change_tables.percent(change)} %, {change_tables.verdict_in_words(change)}"


def _within(value: float, reach: float) -> float:
    """Return a bound as it is drawn: what goes far beyond the axis might be too great for a picture."""
    return short(max(-reach, min(reach, value)))


def _percent(ratio: float) -> float:
    return 100 * (ratio - 1)
