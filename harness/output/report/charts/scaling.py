"""How throughput goes with what was varied: each level, the fitted law between them, and its residuals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from harness.ground.usl import POOR, Law
from harness.output import wording
from harness.output.report.charts.chart import FAINT, INK, SOFT, Chart, Option, arm, short
from harness.output.report.charts.looks import Look
from harness.output.scaling_curves import measured_of
from harness.records.summary import ScalingCurve, ScalingPoint

_STEPS = 40
"""Points of a drawn law."""
_UPPER_PX, _LOWER_PX = 280, 90


def scaling(varied: str, curves: Sequence[ScalingCurve], looks: Mapping[str, Look]) -> Chart | None:
    """Return the chart of the curves of one scenario and load; None where no level was measured."""
    shown = [curve for curve in curves if measured_of(curve)]
    if not shown:
        return None
    levels = sorted({point.level for curve in shown for point in curve.points})
    lower = any(curve.fit for curve in shown)
    return Chart(
        name=f"scaling-{varied}",
        title=f"Scaling by {varied}",
        note="Means of the valid trials with 95 % intervals; the line is the fitted law, drawn between the "
        f"levels measured alone.{_residuals() if lower else _unfitted(shown)}",
        alt=f"Requests/s by {varied}: {'; '.join(map(_told, shown))}.",
        kinds=("scaling",),
        option={
            "grid": [
                {"left": 60, "right": 24, "top": 24, "height": _UPPER_PX},
                *([{"left": 60, "right": 24, "top": _UPPER_PX + 76, "height": _LOWER_PX}] if lower else []),
            ],
            "xAxis": [_levels(levels, place, varied) for place in range(1 + lower)],
            "yAxis": [
                {"type": "value", "min": 0, "name": "requests/s"},
                *([_off(shown)] if lower else []),
            ],
            "tooltip": {"trigger": "item"},
            "series": [
                *(_bounds() if lower else ()),
                *(one for curve in shown for one in _series(curve, looks[curve.variant])),
            ],
        },
        height_px=_UPPER_PX + 70 + (_LOWER_PX + 56 if lower else 0),
        row_px=0,
        legend=True,
        headers=("variant", varied, "requests/s", "residual %", "valid trials"),
        rows=tuple(_row(curve, point) for curve in shown for point in curve.points),
    )


def _levels(levels: Sequence[float], place: int, varied: str) -> Option:
    return {
        "type": "log",
        "gridIndex": place,
        "min": levels[0] / 1.2,
        "max": levels[-1] * 1.2,
        "name": varied,
        "nameLocation": "middle",
        "nameGap": 26,
        "axisLabel": {"customValues": list(levels)},
        "axisTick": {"customValues": list(levels)},
    }


def _off(curves: Sequence[ScalingCurve]) -> Option:
    """Return the axis of residuals, which shows where a fit is poor whether one is or not."""
    known = [point.residual_percent for curve in curves for point in measured_of(curve)]
    reach = math.ceil(1.2 * max([100 * POOR, *(abs(off) for off in known if off is not None)]))
    return {
        "type": "value",
        "gridIndex": 1,
        "name": "residual, %",
        "min": -reach,
        "max": reach,
        "interval": reach,
    }


def _series(curve: ScalingCurve, look: Look) -> Iterator[Option]:
    name, measured = wording.plain(curve.variant), measured_of(curve)
    if curve.fit is not None:
        law = Law(curve.fit.rate_per_s.value, curve.fit.contention.value, curve.fit.coherence.value)
        yield {
            "type": "line",
            "name": name,
            "silent": True,
            "color": look.colour,
            "lineStyle": {**look.line, "width": 2},
            "data": [[short(level), short(law.at(level))] for level in _between(measured)],
        }
    yield {
        "type": "line",
        "name": name,
        "silent": True,
        "color": look.colour,
        "data": [
            end
            for point in measured
            if point.requests_per_s is not None
            for end in arm(point.level, point.requests_per_s)
        ],
    }
    yield {
        "type": "scatter",
        "name": name,
        "z": 3,
        **look.mark,
        "symbolSize": 9,
        "data": [{"value": [point.level, _rate(point)], "tip": _tip(curve, point)} for point in measured],
    }
    if curve.fit is not None:
        yield {
            "type": "scatter",
            "name": name,
            "xAxisIndex": 1,
            "yAxisIndex": 1,
            **look.mark,
            "symbolSize": 8,
            "data": [
                {"value": [point.level, short(point.residual_percent)], "tip": _tip(curve, point)}
                for point in measured
                if point.residual_percent is not None
            ],
        }


def _bounds() -> Iterator[Option]:
    """Yield the line of no residual, and those past which a fit is poor."""
    lines = [
        {
            "yAxis": at,
            "lineStyle": {"color": INK if at == 0 else SOFT, "type": "solid" if at == 0 else "dashed"},
        }
        for at in (0, -100 * POOR, 100 * POOR)
    ]
    yield {
        "type": "line",
        "xAxisIndex": 1,
        "yAxisIndex": 1,
        "data": [],
        "silent": True,
        "markLine": {
            "symbol": "none",
            "label": {"show": False},
            "lineStyle": {"color": FAINT},
            "data": lines,
        },
    }


def _between(measured: Sequence[ScalingPoint]) -> Iterator[float]:
    low, high = measured[0].level, measured[-1].level
    return (low * (high / low) ** (step / _STEPS) for step in range(_STEPS + 1))


def _rate(point: ScalingPoint) -> float | None:
    return None if point.requests_per_s is None else short(point.requests_per_s.value)


def _tip(curve: ScalingCurve, point: ScalingPoint) -> str:
    residual = "" if point.residual_percent is None else f", {point.residual_percent:+.1f} % off the law"
    return f"{point.level:g} {wording.plain(curve.varied)}: {_figure(point)} requests/s{residual}"


def _figure(point: ScalingPoint) -> str:
    return wording.figure_with_interval(point.requests_per_s)


def _row(curve: ScalingCurve, point: ScalingPoint) -> tuple[str, ...]:
    residual = point.residual_percent
    return (
        wording.plain(curve.variant),
        f"{point.level:g}",
        _figure(point),
        wording.NOT_MEASURED if residual is None else f"{residual:+.1f}",
        f"{point.valid_trials} of {point.trials}",
    )


def _told(curve: ScalingCurve) -> str:
    ends = measured_of(curve)[0], measured_of(curve)[-1]
    told = " to ".join(f"{_figure(point)} at {point.level:g}" for point in ends)
    return f"{wording.plain(curve.variant)} {told}"


def _residuals() -> str:
    return (
        f" Below is how far each level lies off it; past the dashed lines, {100 * POOR:g} %, a fit is poor."
    )


def _unfitted(curves: Sequence[ScalingCurve]) -> str:
    reasons = "; ".join(dict.fromkeys(wording.plain(curve.no_fit) for curve in curves))
    return f" There is no fit: {reasons}."
