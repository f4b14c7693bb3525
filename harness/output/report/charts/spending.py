"""What a request costs: CPU time against memory, a sign a variant with both intervals."""

from __future__ import annotations

from collections.abc import Iterator

from harness.output import wording
from harness.output.report.charts.chart import INK, Chart, Material, Option, name_of, short
from harness.records.summary import CellSummary, Figure

_MOST_LABELS = 8
"""With more variants they would overlap, and the legend has to do."""
_CPU, _MEMORY = "CPU time, µs a request", "mean memory, MiB"


def spending(material: Material) -> Chart | None:
    """Return the chart; None where no cell has both figures."""
    shown = [
        (cell, cpu, memory)
        for cell in material.group.cells
        if (cpu := cell.cpu.us_per_request) is not None and (memory := cell.memory_mib.mean) is not None
    ]
    if not shown:
        return None
    return Chart(
        name="spending",
        title="CPU time a request against memory",
        note="Means of the valid trials with 95 % intervals; nearer to the lower left corner is better.",
        alt="CPU time a request and mean memory: "
        + "; ".join(f"{name_of(cell)} {_words(cpu, memory)}" for cell, cpu, memory in shown)
        + ".",
        kinds=("cpu", "memory"),
        option={
            "grid": {"left": 4, "right": 30, "top": 8, "bottom": 4, "outerBoundsMode": "same"},
            "xAxis": {"type": "value", "min": 0, "name": _CPU, "nameLocation": "middle", "nameGap": 26},
            "yAxis": {"type": "value", "min": 0, "name": _MEMORY, "nameTextStyle": {"align": "left"}},
            "tooltip": {"trigger": "item"},
            "series": [
                one
                for cell, cpu, memory in shown
                for one in _series(material, cell, cpu, memory, labelled=len(shown) <= _MOST_LABELS)
            ],
        },
        height_px=340,
        row_px=0,
        legend=True,
        headers=("variant", "µs/request", "mean MiB"),
        rows=tuple(
            (name_of(cell), wording.figure_with_interval(cpu), wording.figure_with_interval(memory))
            for cell, cpu, memory in shown
        ),
    )


def _series(
    material: Material, cell: CellSummary, cpu: Figure, memory: Figure, *, labelled: bool
) -> Iterator[Option]:
    name, look = name_of(cell), material.looks[cell.variant.label]
    across = [(bound, memory.value) for bound in (cpu.low, cpu.high) if bound is not None]
    upwards = [(cpu.value, bound) for bound in (memory.low, memory.high) if bound is not None]
    ends = [[short(x), short(y)] for x, y in (*across, *upwards)]
    if len(ends) == 4:
        yield {
            "type": "line",
            "name": name,
            "color": look.colour,
            "silent": True,
            "lineStyle": {"width": 2},
            "data": [*ends[:2], None, *ends[2:]],
        }
    yield {
        "type": "scatter",
        "name": name,
        "z": 3,
        **look.mark,
        "symbolSize": 12,
        "label": {"show": labelled, "position": "top", "distance": 8, "color": INK, "formatter": "{a}"},
        "data": [{"value": [short(cpu.value), short(memory.value)], "tip": _words(cpu, memory)}],
    }


def _words(cpu: Figure, memory: Figure) -> str:
    return f"{wording.figure_with_interval(cpu)} µs a request, {wording.figure_with_interval(memory)} MiB"
