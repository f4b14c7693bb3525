"""The search for a capacity: each rate that was asked for, the p99 there, and whether that kept the bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.judgement.capacity import outcome
from harness.judgement.trials import JudgedTrial
from harness.output import wording
from harness.output.report.charts.axes import LEAST, logarithmic
from harness.output.report.charts.chart import CROSS, INK, Chart, Material, Option, digits, name_of, short
from harness.output.report.charts.looks import Look
from harness.records.summary import CellSummary

_KEPT = {"met": "yes", "missed": "no", "unclear": "does not count"}


def searched(material: Material) -> Chart | None:
    """Return the chart; None where nothing was searched, or no probe has a p99."""
    cells = material.group.cells
    probes = {
        cell.variant.label: [probe for trial in material.trials[cell.variant.label] for probe in trial.probes]
        for cell in cells
    }
    drawn = {label: list(filter(_is_drawn, own)) for label, own in probes.items()}
    every = [probe for own in drawn.values() for probe in own]
    bound_ms = cells[0].load.slo_ms
    if not every or bound_ms is None:
        return None
    return Chart(
        name="searched",
        title="What was searched",
        note="Every rate that was asked for and its p99: a dot kept the bound, × did not. Signs on the "
        "bound, the dashed line, are capacities with 95 % intervals. Both axes are logarithmic. Probes that "
        "do not count, because something else was in the way, are in the table alone.",
        alt=f"p99 by requests/s asked for, with the bound of {bound_ms:g} ms; capacities: "
        + "; ".join(f"{name_of(cell)} {_capacity(cell)}" for cell in cells)
        + ".",
        kinds=("throughput", "latency"),
        option={
            "grid": {"left": 60, "right": 24, "top": 28, "bottom": 44},
            "xAxis": {
                **logarithmic([_rate(probe) for probe in every]),
                "name": "requests/s",
                "nameLocation": "middle",
                "nameGap": 26,
            },
            "yAxis": {
                **logarithmic([bound_ms, *(_p99(probe) or bound_ms for probe in every)]),
                "name": "p99, ms",
            },
            "tooltip": {"trigger": "item"},
            "series": [
                _bound(bound_ms),
                *(
                    one
                    for cell in cells
                    for one in _series(
                        cell, drawn[cell.variant.label], material.looks[cell.variant.label], bound_ms
                    )
                ),
            ],
        },
        height_px=400,
        row_px=0,
        legend=True,
        headers=("variant", "block", "trial", "requests/s asked", "p99 ms", "kept the bound"),
        rows=tuple(_row(cell, probe) for cell in cells for probe in probes[cell.variant.label]),
    )


def _bound(bound_ms: float) -> Option:
    return {
        "type": "line",
        "data": [],
        "silent": True,
        "markLine": {
            "symbol": "none",
            "label": {"show": False},
            "lineStyle": {"color": INK, "type": "dashed"},
            "data": [{"yAxis": bound_ms}],
        },
    }


def _series(
    cell: CellSummary, probes: Sequence[JudgedTrial], look: Look, bound_ms: float
) -> Iterator[Option]:
    name, figure = name_of(cell), cell.requests_per_s
    looks: dict[str, Option] = {
        "met": {"symbol": "circle", "symbolSize": 6, "itemStyle": {"color": look.colour}},
        "missed": {
            "symbol": CROSS,
            "symbolSize": 7,
            "itemStyle": {"color": look.colour, "borderColor": look.colour, "borderWidth": 1.5},
        },
    }
    for told, shown in looks.items():
        dots = [
            {"value": [_rate(probe), short(_p99(probe) or 0.0)], "tip": _tip(probe)}
            for probe in probes
            if outcome(probe) == told
        ]
        if dots:
            yield {"type": "scatter", "name": name, **shown, "data": dots}
    if figure is None:
        return
    if figure.low is not None and figure.high is not None:
        yield {
            "type": "line",
            "name": name,
            "silent": True,
            "z": 3,
            "color": look.colour,
            "lineStyle": {"width": 3},
            "data": [[short(max(end, LEAST)), bound_ms] for end in (figure.low, figure.high)],
        }
    yield {
        "type": "scatter",
        "name": name,
        "z": 4,
        **look.mark,
        "symbolSize": 12,
        "data": [{"value": [short(figure.value), bound_ms], "tip": f"capacity: {_capacity(cell)}"}],
    }


def _rate(probe: JudgedTrial) -> float:
    rate = probe.stored.record.cell.load.rate_per_s
    assert rate is not None, "a load of this profile has one"
    return rate


def _p99(probe: JudgedTrial) -> float | None:
    return probe.figures.response_ms.p99


def _is_drawn(probe: JudgedTrial) -> bool:
    return _p99(probe) is not None and outcome(probe) != "unclear"


def _tip(probe: JudgedTrial) -> str:
    record = probe.stored.record
    where = f"block {record.block}, trial {record.number}"
    return f"{_rate(probe):g} requests/s: p99 {digits(_p99(probe))} ms, {where}"


def _row(cell: CellSummary, probe: JudgedTrial) -> tuple[str, ...]:
    record = probe.stored.record
    return (
        name_of(cell),
        str(record.block),
        str(record.number),
        f"{_rate(probe):g}",
        digits(_p99(probe)),
        _KEPT[outcome(probe)],
    )


def _capacity(cell: CellSummary) -> str:
    figure = cell.requests_per_s
    return "not found" if figure is None else f"{wording.figure_with_interval(figure)} requests/s"
