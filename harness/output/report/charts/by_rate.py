"""Response time at given rates: how a variant's p50 and p99 go with the requests/s that it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.judgement.trials import CellKey, JudgedTrial
from harness.output import wording
from harness.output.report.charts.axes import LEAST, logarithmic
from harness.output.report.charts.chart import INK, Chart, Option, arm, name_of, short
from harness.output.report.charts.looks import Look
from harness.records.summary import CellSummary, Figure, Summary

_PANEL_PX, _GAP_PX, _TOP_PX = 190, 52, 30
_FURTHEST = 10.0
"""How far below a figure an axis follows its interval, as a ratio: that of a few trials may reach 0."""


@dataclass(frozen=True, slots=True)
class AtRate:
    """A cell with the rate that it was asked for, its own one too."""

    cell: CellSummary
    rate_per_s: float


_Pick = Callable[[CellSummary], Figure | None]
_PANELS: Mapping[str, _Pick] = {
    "p50": lambda cell: cell.response_ms.p50,
    "p99": lambda cell: cell.response_ms.p99,
}


def rates_of(
    summary: Summary, trials: Mapping[CellKey, Sequence[JudgedTrial]]
) -> dict[tuple[str, str], list[AtRate]]:
    """Return the cells at a rate by their scenario and what their loads have in common, in words."""
    found: dict[tuple[str, str], list[AtRate]] = {}
    for cell in summary.cells:
        own = trials.get((cell.scenario, cell.load, cell.variant.label), ())
        if cell.load.profile == "rate" and own and not cell.variant.replica:
            asked = own[0].stored.record.cell.load.rate_per_s
            assert asked is not None, "a load of this profile has one"
            common = wording.load(replace(cell.load, rate_per_s=None, share=None))
            found.setdefault((wording.plain(cell.scenario), common), []).append(AtRate(cell, asked))
    return found


def by_rate(asked: Sequence[AtRate], looks: Mapping[str, Look]) -> Chart | None:
    """Return the chart; None where fewer than two rates have a figure: one alone has the chart that ranks."""
    ordered = sorted(asked, key=lambda one: (one.cell.variant.label, one.rate_per_s))
    shown = [one for one in ordered if any(pick(one.cell) is not None for pick in _PANELS.values())]
    if len({one.rate_per_s for one in shown}) < 2:
        return None
    labels = tuple(dict.fromkeys(one.cell.variant.label for one in shown))
    tops = [_TOP_PX + place * (_PANEL_PX + _GAP_PX) for place in range(len(_PANELS))]
    last = len(_PANELS) - 1
    return Chart(
        name="by-rate",
        title="Response time by rate",
        note="Means of the valid trials with 95 % intervals, at the requests/s that were asked for; times "
        "lie on logarithmic axes. A gap is a rate without a valid trial.",
        alt=f"Response time by requests/s: {'; '.join(_told(label, shown) for label in labels)}.",
        kinds=("latency",),
        option={
            "title": [
                {"text": f"{name}, ms", "left": 0, "top": top - 26, "textStyle": {"color": INK}}
                for name, top in zip(_PANELS, tops, strict=True)
            ],
            "grid": [{"left": 60, "right": 24, "top": top, "height": _PANEL_PX} for top in tops],
            "xAxis": [
                {
                    "type": "value",
                    "min": 0,
                    "gridIndex": place,
                    "axisLabel": {"show": place == last},
                    **(
                        {"name": "requests/s", "nameLocation": "middle", "nameGap": 26}
                        if place == last
                        else {}
                    ),
                }
                for place in range(len(_PANELS))
            ],
            "yAxis": [
                {**logarithmic(_ends(shown, pick)), "gridIndex": place}
                for place, pick in enumerate(_PANELS.values())
            ],
            "tooltip": {"trigger": "item"},
            "series": [
                one
                for label in labels
                for place, name in enumerate(_PANELS)
                for one in _series(
                    [one for one in ordered if one.cell.variant.label == label], looks[label], place, name
                )
            ],
        },
        height_px=tops[-1] + _PANEL_PX + 44,
        row_px=0,
        legend=True,
        headers=(
            "variant",
            "requests/s asked",
            *(f"{name} ms" for name in _PANELS),
            "requests/s served",
            "asked of",
            "valid trials",
        ),
        rows=tuple(map(_row, ordered)),
    )


def _ends(shown: Sequence[AtRate], pick: _Pick) -> list[float]:
    """Return all that an axis has to hold: figures and the bounds of their intervals, within reason."""
    figures = [figure for one in shown if (figure := pick(one.cell)) is not None]
    lows = [max(one.low, one.value / _FURTHEST) for one in figures if one.low is not None]
    bounds = [*lows, *(bound for figure in figures for bound in (figure.value, figure.high))]
    return [bound for bound in bounds if bound is not None and bound > 0] or [1.0]


def _series(own: Sequence[AtRate], look: Look, place: int, name: str) -> Iterator[Option]:
    variant, pick = name_of(own[0].cell), _PANELS[name]
    told = [(one, figure) for one in own if (figure := pick(one.cell)) is not None]
    common: Option = {"name": variant, "xAxisIndex": place, "yAxisIndex": place}
    yield {
        **common,
        "type": "line",
        "silent": True,
        "color": look.colour,
        "lineStyle": {**look.line, "width": 2},
        "data": [[one.rate_per_s, _value(pick(one.cell))] for one in own],
    }
    yield {
        **common,
        "type": "line",
        "silent": True,
        "color": look.colour,
        "data": [end for one, figure in told for end in arm(one.rate_per_s, figure, LEAST)],
    }
    yield {
        **common,
        "type": "scatter",
        "z": 3,
        **look.mark,
        "symbolSize": 9,
        "data": [
            {"value": [one.rate_per_s, short(figure.value)], "tip": _tip(one, name, figure)}
            for one, figure in told
        ],
    }


def _value(figure: Figure | None) -> float | None:
    return None if figure is None else short(figure.value)


def _tip(one: AtRate, name: str, figure: Figure) -> str:
    words = wording.figure_with_interval(figure)
    return f"{one.rate_per_s:g} requests/s ({_asked(one)}): {name} {words} ms"


def _asked(one: AtRate) -> str:
    share = one.cell.load.share
    return "all" if share is None else f"{100 * share:g} % of its own capacity"


def _row(one: AtRate) -> tuple[str, ...]:
    cell = one.cell
    return (
        name_of(cell),
        f"{one.rate_per_s:g}",
        *(wording.figure_with_interval(pick(cell)) for pick in _PANELS.values()),
        wording.figure_with_interval(cell.requests_per_s),
        _asked(one),
        f"{cell.valid_trials} of {cell.trials}",
    )


def _told(label: str, shown: Sequence[AtRate]) -> str:
    own = [one for one in shown if one.cell.variant.label == label]
    ends = (own[0], own[-1])[: len(own)]
    told = " and ".join(
        f"p99 {wording.figure_with_interval(one.cell.response_ms.p99)} ms at {one.rate_per_s:g}"
        for one in ends
    )
    return f"{wording.plain(label)} {told}"
