"""The picture of scaling: what was measured at each level, the fitted law between them, and its residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from harness.ground.usl import POOR, Law
from harness.output import wording
from harness.output.drawing import FAINT, INK, MARKERS, PALETTE, WIDTH, finish, spaced
from harness.output.scaling_curves import measured_of, panels_of
from harness.records.summary import ScalingCurve

_STEPS = 200
"""Points of a drawn law."""


def canvases(curves: Sequence[ScalingCurve], colours: Mapping[str, str]) -> dict[str, Canvas]:
    """Return one canvas of all curves by its picture's name; none where nothing was measured."""
    shown = [curve for curve in curves if measured_of(curve)]
    return {"scaling": canvas_of(shown, colours)} if shown else {}


def canvas_of(curves: Sequence[ScalingCurve], colours: Mapping[str, str]) -> Canvas:
    """Return two panels, figures and residuals, for each scenario, load and varied thing."""
    panels = panels_of(curves)
    canvas = Canvas(figsize=(WIDTH, 4.6 * len(panels) + 0.4), layout=spaced())
    grid = canvas.subplots(2 * len(panels), 1, squeeze=False, height_ratios=[3, 1] * len(panels))[:, 0]
    for upper, lower, (key, own) in zip(grid[::2], grid[1::2], panels.items(), strict=True):
        _panel(upper, lower, own, colours)
        finish(upper, f"{key[0]} ({key[1]})", both=True)
        finish(lower, "", both=True)
        lower.set_xlabel(f"{key[2]} (log)")
    return canvas


def _panel(upper: Axes, lower: Axes, curves: Sequence[ScalingCurve], colours: Mapping[str, str]) -> None:
    for curve in curves:
        _points(upper, curve, colours[curve.variant])
        _law(upper, lower, curve, colours[curve.variant])
    levels = sorted({point.level for curve in curves for point in curve.points})
    for axes in (upper, lower):
        axes.set_xscale("log")
        axes.set_xlim(levels[0] / 1.3, levels[-1] * 1.3)
        axes.xaxis.set_major_locator(FixedLocator(levels))
        axes.xaxis.set_major_formatter(FixedFormatter([f"{level:g}" for level in levels]))
        axes.xaxis.set_minor_locator(NullLocator())
    upper.tick_params(labelbottom=False)
    upper.set_ylim(bottom=0)
    upper.set_ylabel("requests/s")
    upper.legend(frameon=False, fontsize=9)
    if not any(curve.fit for curve in curves):
        reasons = "; ".join(dict.fromkeys(wording.plain(curve.no_fit) for curve in curves))
        lower.text(0.5, 0.5, f"no fit: {reasons}", transform=lower.transAxes, ha="center", va="center")
        lower.set_yticks([])
        return
    lower.set_ylabel("residual, %")
    lower.axhline(0, color=INK, linewidth=0.8)
    for bound in (-100 * POOR, 100 * POOR):
        lower.axhline(bound, color=FAINT, linewidth=1.6, linestyle="--")


def _points(axes: Axes, curve: ScalingCurve, colour: str) -> None:
    fit = f": {'poor fit' if curve.fit.poor else 'fitted'}" if curve.fit else ""
    measured = measured_of(curve)
    rates = [point.requests_per_s for point in measured]
    values = [figure.value for figure in rates if figure]
    arms = [
        [0.0 if figure.low is None else figure.value - figure.low for figure in rates if figure],
        [0.0 if figure.high is None else figure.high - figure.value for figure in rates if figure],
    ]
    axes.errorbar(
        [point.level for point in measured],
        values,
        yerr=arms,
        fmt=MARKERS[PALETTE.index(colour)],
        color=colour,
        markerfacecolor="white",
        markersize=6,
        capsize=3,
        linestyle="none",
        label=f"{wording.plain(curve.variant)}{fit}",
    )


def _law(upper: Axes, lower: Axes, curve: ScalingCurve, colour: str) -> None:
    if curve.fit is None:
        return
    fit = curve.fit
    law = Law(fit.rate_per_s.value, fit.contention.value, fit.coherence.value)
    measured = measured_of(curve)
    levels = np.geomspace(measured[0].level, measured[-1].level, _STEPS)
    upper.plot(levels, [law.at(float(level)) for level in levels], color=colour, linewidth=1.6)
    lower.plot(
        [point.level for point in measured],
        [point.residual_percent for point in measured if point.residual_percent is not None],
        MARKERS[PALETTE.index(colour)],
        color=colour,
        markersize=5,
        zorder=3,
    )
