"""Curves of scaling, as tables, pictures and charts go through them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.output import wording
from harness.records.summary import ScalingCurve, ScalingPoint

Panels = dict[tuple[str, str, str], list[ScalingCurve]]


def panels_of(curves: Sequence[ScalingCurve]) -> Panels:
    """Return curves by scenario, load and what was varied, in words."""
    panels: Panels = {}
    for curve in curves:
        key = wording.plain(curve.scenario), wording.curve_load(curve), wording.plain(curve.varied)
        panels.setdefault(key, []).append(curve)
    return panels


def measured_of(curve: ScalingCurve) -> list[ScalingPoint]:
    """Return the levels that have a figure."""
    return [point for point in curve.points if point.requests_per_s is not None]
