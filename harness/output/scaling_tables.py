"""The tables of scaling: every level that was measured, and the law that was fitted to them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from harness.ground.usl import POOR
from harness.output import wording
from harness.output.grids import Shown, Table, numbers
from harness.records.summary import Figure, ScalingCurve, ScalingFit, ScalingPoint

TITLE = "Scaling"
FIT_TITLE = (
    "Universal Scalability Law, X(N) = λN / (1 + α(N − 1) + βN(N − 1)), fitted to requests/s by level; "
    "[ ] are bootstrap intervals"
)
_SMALL = 0.001
"""Below it a number is written with an exponent, as β mostly is."""
_HEADERS = (
    "variant",
    "varied",
    "level",
    "requests/s",
    "p99 ms",
    "CPU µs/request",
    "efficiency %",
    "residual %",
    "valid trials",
)
_FIT_HEADERS = ("variant", "varied", "λ requests/s", "α", "β", "peak", "greatest residual %", "fit")


def build(curves: Sequence[ScalingCurve]) -> tuple[Table, ...]:
    """Return two tables for each scenario and kind of load that has curves."""
    groups: dict[tuple[str, str], list[ScalingCurve]] = {}
    for curve in curves:
        groups.setdefault((wording.plain(curve.scenario), wording.curve_load(curve)), []).append(curve)
    return tuple(table for key, own in groups.items() for table in (_levels(*key, own), _fits(*key, own)))


def _levels(scenario: str, load: str, curves: Sequence[ScalingCurve]) -> Table:
    rows, records = [], []
    for curve in curves:
        for point in curve.points:
            rows.append(_level(curve, point))
            records.append(
                {
                    **_record(scenario, load, curve),
                    "level": int(point.level) if point.level.is_integer() else point.level,
                    **numbers("requests/s", point.requests_per_s),
                    **numbers("p99 ms", point.response_p99_ms),
                    **numbers("CPU µs/request", point.cpu_us_per_request),
                    **numbers("efficiency %", point.efficiency_percent),
                    "residual %": point.residual_percent,
                    "trials": point.trials,
                    "valid trials": point.valid_trials,
                }
            )
    return Table(scenario, load, TITLE, _HEADERS, tuple(rows), "scaling", pd.DataFrame(records))


def _level(curve: ScalingCurve, point: ScalingPoint) -> tuple[Shown, ...]:
    measured = wording.figure_with_interval(point.requests_per_s) if point.valid_trials else "invalid"
    residual = point.residual_percent
    return (
        Shown(wording.plain(curve.variant)),
        Shown(wording.plain(curve.varied)),
        Shown(f"{point.level:g}"),
        Shown(measured),
        Shown(wording.figure(point.response_p99_ms)),
        Shown(wording.figure(point.cpu_us_per_request)),
        Shown(wording.figure(point.efficiency_percent)),
        Shown(wording.NOT_MEASURED if residual is None else f"{residual:+.1f}"),
        Shown(f"{point.valid_trials} of {point.trials}"),
    )


def _fits(scenario: str, load: str, curves: Sequence[ScalingCurve]) -> Table:
    rows = tuple(_fit(curve) for curve in curves)
    records = [
        {
            **_record(scenario, load, curve),
            **numbers("λ requests/s", curve.fit.rate_per_s if curve.fit else None),
            **numbers("α", curve.fit.contention if curve.fit else None),
            **numbers("β", curve.fit.coherence if curve.fit else None),
            **numbers("peak", curve.fit.peak if curve.fit else None),
            "greatest residual %": curve.fit.greatest_residual_percent if curve.fit else None,
            "fit": row[-1].text,
        }
        for curve, row in zip(curves, rows, strict=True)
    ]
    return Table(scenario, load, FIT_TITLE, _FIT_HEADERS, rows, "scaling-fit", pd.DataFrame(records))


def _fit(curve: ScalingCurve) -> tuple[Shown, ...]:
    names = (Shown(wording.plain(curve.variant)), Shown(wording.plain(curve.varied)))
    fit = curve.fit
    if fit is None:
        dashes = [Shown(wording.NOT_MEASURED)] * (len(_FIT_HEADERS) - 3)
        return (*names, *dashes, Shown(f"none: {wording.plain(curve.no_fit)}"))
    unbounded = "" if fit.contention.low is None else "∞"
    return (
        *names,
        *(Shown(_parameter(figure, unbounded)) for figure in (fit.rate_per_s, fit.contention, fit.coherence)),
        Shown(_peak(curve, fit)),
        Shown(f"{fit.greatest_residual_percent:.1f}"),
        Shown("poor fit" if fit.poor else f"within {100 * POOR:g} %"),
    )


def _record(scenario: str, load: str, curve: ScalingCurve) -> dict[str, object]:
    names = {"variant": wording.plain(curve.variant), "varied": wording.plain(curve.varied)}
    return {"scenario": scenario, "load": load, **names}


def _parameter(figure: Figure, missing: str = "") -> str:
    """Return a value with its bounds, `missing` where there is no bound; no interval where there is none."""
    bounds = [missing if bound is None else _number(bound) for bound in (figure.low, figure.high)]
    return f"{_number(figure.value)} [{', '.join(bounds)}]" if any(bounds) else _number(figure.value)


def _number(value: float) -> str:
    return f"{value:.2e}" if 0 < abs(value) < _SMALL else wording.figure(Figure(value, None, None))


def _peak(curve: ScalingCurve, fit: ScalingFit) -> str:
    """Return where the law has its peak, and where that is beyond what was measured no more than that."""
    if fit.poor:
        return wording.NOT_MEASURED
    if fit.peak is None:
        levels = [point.level for point in curve.points if point.requests_per_s is not None]
        return f"not between {min(levels):g} and {max(levels):g}"
    return _parameter(fit.peak, "" if fit.contention.low is None else "beyond")
