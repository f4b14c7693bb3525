"""The metric that ranks: a bar a variant, its interval, and every trial as a dot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.ground.model import Profile
from harness.judgement.comparison import GIVEN
from harness.judgement.judge import measured
from harness.judgement.trials import JudgedTrial
from harness.output import wording
from harness.output.report.charts.chart import (
    BAD,
    CROSS,
    FAINT,
    INK,
    PAPER,
    Chart,
    Material,
    Option,
    digits,
    name_of,
    short,
)
from harness.output.standings import figure_of
from harness.records.summary import CellSummary, Figure

_UNITS = {GIVEN: "requests/s", "response_ms.p50": "ms"}
_TITLES: Mapping[Profile, str] = {
    "closed": "Throughput",
    "rate": "Median response time",
    "capacity": "Capacity: the highest rate within the bound",
}
_BETTER = {GIVEN: "more is better", "response_ms.p50": "less is better"}
_SPREAD_PX = 24
"""How far apart the dots of one bar lie, from the first trial to the last."""


def ranked(material: Material) -> Chart | None:
    """Return the chart; None where no trial has a figure."""
    group, metric = material.group, material.group.metric
    unit, title = _UNITS[metric], _TITLES[group.cells[0].load.profile]
    trials = {cell.variant.label: material.trials.get(cell.variant.label, ()) for cell in group.cells}
    rows = tuple(_row(cell, trial, metric) for cell in group.cells for trial in trials[cell.variant.label])
    if not rows:
        return None
    series = [
        one for cell in group.cells for one in _series(material, cell, trials[cell.variant.label], unit)
    ]
    told = "; ".join(f"{name_of(cell)} {_words(cell, metric)}" for cell in group.cells)
    return Chart(
        name="ranked",
        title=title,
        note="Mean of the valid trials with its 95 % interval; ○ is a valid trial, × an invalid one; "
        f"{_BETTER[metric]}.",
        alt=f"{title} in {unit}, the best first: {told}.",
        kinds=("throughput",) if metric == GIVEN else ("throughput", "latency"),
        option={
            "grid": {"left": 4, "right": 96, "top": 4, "bottom": 4, "outerBoundsMode": "same"},
            "xAxis": {"type": "value", "min": 0, "name": unit, "nameLocation": "middle", "nameGap": 26},
            "yAxis": {
                "type": "category",
                "inverse": True,
                "data": [name_of(cell) for cell in group.cells],
                "axisLabel": {"color": INK},
            },
            "tooltip": {"trigger": "item"},
            "series": series,
        },
        height_px=52,
        row_px=38,
        legend=False,
        headers=("variant", "trial", "block", unit, "counts"),
        rows=rows,
    )


def _series(
    material: Material, cell: CellSummary, trials: Sequence[JudgedTrial], unit: str
) -> Iterator[Option]:
    name, metric = name_of(cell), material.group.metric
    figure = figure_of(cell, metric)
    if figure is None:
        yield _absent(name, "not measured" if cell.valid_trials else "invalid: not ranked")
    else:
        yield from _bar(name, figure, material.looks[cell.variant.label].colour, unit)
    yield from _dots(name, trials, metric)


def _bar(name: str, figure: Figure, colour: str, unit: str) -> Iterator[Option]:
    words = wording.figure_with_interval(figure)
    yield {
        "type": "bar",
        "name": name,
        "barWidth": 16,
        "barGap": "-100%",
        "itemStyle": {"color": colour, "opacity": 0.45, "borderRadius": [0, 3, 3, 0]},
        "data": [{"value": [short(figure.value), name], "tip": f"{words} {unit}"}],
    }
    ends = [bound for bound in (figure.low, figure.high) if bound is not None] or [figure.value]
    label = {"show": True, "position": "right", "distance": 10, "color": INK, "formatter": f"{words}"}
    yield {
        "type": "line",
        "name": name,
        "z": 3,
        "symbol": "rect",
        "symbolSize": [2, 12],
        "showSymbol": True,
        "silent": True,
        "itemStyle": {"color": INK},
        "lineStyle": {"color": INK, "width": 2},
        "data": [
            {"value": [short(end), name], **({"label": label} if end is ends[-1] else {})} for end in ends
        ],
    }


def _absent(name: str, words: str) -> Option:
    label = {"show": True, "position": "right", "color": BAD, "fontStyle": "italic", "formatter": words}
    return {
        "type": "scatter",
        "name": name,
        "symbolSize": 0,
        "silent": True,
        "data": [{"value": [0, name], "label": label}],
    }


def _dots(name: str, trials: Sequence[JudgedTrial], metric: str) -> Iterator[Option]:
    """Yield the valid trials and the others, spread a little so that equal ones are seen."""
    told = [(place, trial, measured(trial).metrics[metric]) for place, trial in enumerate(trials)]
    for valid, look in ((True, _VALID), (False, _INVALID)):
        dots = [
            {
                "value": [short(value), name],
                "symbolOffset": [0, round(_SPREAD_PX * ((place + 0.5) / len(trials) - 0.5), 1)],
                "tip": _tip(trial, f"{digits(value)} {_UNITS[metric]}"),
            }
            for place, trial, value in told
            if value is not None and trial.valid is valid
        ]
        if dots:
            yield {"type": "scatter", "name": name, "z": 4, **look, "data": dots}


def _tip(trial: JudgedTrial, figure: str) -> str:
    record = trial.stored.record
    spoilt = "" if trial.valid else f", {_counts(trial)}"
    return f"{figure}, block {record.block}, trial {record.number}{spoilt}"


_VALID: Option = {
    "symbol": "circle",
    "symbolSize": 6,
    "itemStyle": {"color": PAPER, "borderColor": INK, "borderWidth": 1.2},
}
_INVALID: Option = {
    "symbol": CROSS,
    "symbolSize": 8,
    "itemStyle": {"color": FAINT, "borderColor": BAD, "borderWidth": 2},
}


def _row(cell: CellSummary, trial: JudgedTrial, metric: str) -> tuple[str, ...]:
    record = trial.stored.record
    value = digits(measured(trial).metrics[metric])
    return (name_of(cell), str(record.number), str(record.block), value, _counts(trial))


def _counts(trial: JudgedTrial) -> str:
    """Return whether a trial enters the figures, and the codes of what keeps it out."""
    codes = dict.fromkeys(found.code for found in trial.findings if found.severity == "invalid")
    return "yes" if trial.valid else f"invalid: {wording.plain(', '.join(codes))}"


def _words(cell: CellSummary, metric: str) -> str:
    figure = figure_of(cell, metric)
    return "has no valid trial" if figure is None else wording.figure_with_interval(figure)
