"""Pictures of a summary: throughput, latency percentiles, CPU and memory, as PNG and SVG.

Made with matplotlib's objects alone, without pyplot's state, and rendered to the same bytes each time.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, LogLocator, NullLocator

from harness.ground.histogram import Histogram
from harness.judgement.comparison import GIVEN
from harness.judgement.judge import JudgedTrial, key_of
from harness.output import wording
from harness.output.standings import Group, groups
from harness.records.summary import CellSummary, Figure, Summary

INK = "#24292f"
FAINT = "#d8dee4"
WARN = "#cf222e"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7b4ea3", "#7a7a7a")
"""Told apart with the common colour blindnesses (after Okabe and Ito, "Color universal design", 2008)."""
_MARKERS = "osD^vPX*"
"""With the colours, so that lines are told apart without them."""
_SETTINGS: Any = {  # its type is a list of all names that matplotlib knows
    "svg.hashsalt": "webdyno",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,
}
_WIDTH = 9.0
NAMES = ("throughput", "latency", "resources")
"""Of the pictures that a run may have."""
_LEAST_SPAN = 5.0
"""The least ratio between the ends of a latency axis."""
_PERCENTS = (50.0, 90.0, 99.0, 99.9, 99.99)


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn picture with its words."""

    name: str
    """The file's name without its ending."""
    title: str
    alt: str
    """What it shows, for those who can't see it."""
    png: bytes
    svg: str


def pictures(summary: Summary, trials: Sequence[JudgedTrial]) -> tuple[Picture, ...]:
    """Return the pictures of a run; none where no cell has a valid trial."""
    shown = [group for group in groups(summary) if group.ranked]
    if not shown:
        return ()
    colours = colours_of(cell.variant.label for cell in summary.cells if not cell.variant.replica)
    found = [group for group in shown if group.metric == GIVEN]  # a given rate is no result
    with mpl.rc_context(_SETTINGS):
        return (
            *(
                [_picture("throughput", "Throughput", _alt(found), _throughput(found, trials, colours))]
                if found
                else []
            ),
            _picture(
                "latency",
                "Latency by percentile",
                "Response time by percentile, one line a variant; the tables hold the figures.",
                _latency(shown, trials, colours),
            ),
            _picture(
                "resources",
                "CPU time a request, and memory",
                "CPU time a request and mean memory of each variant; the tables hold the figures.",
                _resources(shown, colours),
            ),
        )


def colours_of(labels: Iterable[str]) -> dict[str, str]:
    """Return a colour for each label: by its name, so that it keeps it from run to run where it can."""
    taken: dict[str, str] = {}
    for label in sorted(set(labels)):
        start = int.from_bytes(hashlib.sha256(label.encode("utf-8", "replace")).digest()[:4]) % len(PALETTE)
        order = [*PALETTE[start:], *PALETTE[:start]]
        free = [colour for colour in order if colour not in taken.values()]
        taken[label] = (free or order)[0]
    return taken


def _alt(shown: Sequence[Group]) -> str:
    parts = []
    for group in shown:
        cells = [f"{_name(cell)} {wording.figure_with_interval(cell.requests_per_s)}" for cell in group.cells]
        parts.append(f"{group.scenario}: {'; '.join(cells)}")
    return f"Requests/s. {'. '.join(parts)}."


def _throughput(shown: Sequence[Group], trials: Sequence[JudgedTrial], colours: Mapping[str, str]) -> Canvas:
    heights = [len(group.cells) + 1.3 for group in shown]
    canvas = Canvas(figsize=(_WIDTH, 0.5 + 0.42 * sum(heights)), layout=_spaced())
    all_axes = canvas.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, group in zip(all_axes, shown, strict=True):
        _bars(axes, group.cells, lambda cell: cell.requests_per_s, colours)
        for place, cell in enumerate(group.cells):
            _dots(axes, place, _of_cell(trials, cell))
        _finish(axes, f"{group.scenario} ({group.load})")
    all_axes[-1].set_xlabel(
        "requests/s (more is better): mean of valid trials, 95 % interval; ○ valid trial, × invalid trial"
    )
    return canvas


def _spaced() -> ConstrainedLayoutEngine:
    return ConstrainedLayoutEngine(h_pad=0.12, hspace=0.02)


def _bars(
    axes: Axes,
    cells: Sequence[CellSummary],
    pick: Callable[[CellSummary], Figure | None],
    colours: Mapping[str, str],
) -> None:
    figures = [pick(cell) for cell in cells]
    reach = max([_upper(figure) for figure in figures if figure is not None], default=1.0)
    for place, (cell, figure) in enumerate(zip(cells, figures, strict=True)):
        if figure is None:
            missing = "not measured" if cell.valid_trials else "invalid: not ranked"
            axes.text(reach * 0.01, place, missing, va="center", color=WARN, style="italic")
            continue
        axes.barh(place, figure.value, height=0.62, color=colours[cell.variant.label], alpha=0.85)
        if figure.low is not None and figure.high is not None:
            arms = [[figure.value - figure.low], [figure.high - figure.value]]
            axes.errorbar(figure.value, place, xerr=arms, ecolor=INK, elinewidth=1.4, capsize=4, fmt="none")
        text = wording.figure_with_interval(figure)
        axes.text(_upper(figure) + reach * 0.015, place, text, va="center")
    axes.set_xlim(0, reach * 1.22)
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.set_yticks(range(len(cells)), [_name(cell) for cell in cells])


def _dots(axes: Axes, place: int, trials: Sequence[JudgedTrial]) -> None:
    """Draw every trial, spread a little so that equal ones are seen."""
    for step, trial in enumerate(trials):
        rate = trial.figures.requests_per_s
        if rate is None:
            continue
        offset = place + 0.36 * ((step + 0.5) / len(trials) - 0.5)
        if trial.valid:
            axes.plot(rate, offset, "o", markersize=4.5, mfc="white", mec=INK, mew=0.9, zorder=4)
        else:
            axes.plot(rate, offset, "x", markersize=5, mec=WARN, mew=1.4, zorder=4)


def _latency(shown: Sequence[Group], trials: Sequence[JudgedTrial], colours: Mapping[str, str]) -> Canvas:
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)
    canvas = Canvas(figsize=(_WIDTH, 3.4 * rows + 0.4), layout=_spaced())
    grid = canvas.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    drawn: dict[str, Line2D] = {}
    for axes, group in zip(grid.flat, shown, strict=False):
        for cell in group.ranked:
            colour = colours[cell.variant.label]
            valid = [trial for trial in _of_cell(trials, cell) if trial.valid]
            line = _line(Histogram.merge(trial.stored.histogram("response") for trial in valid), colour)
            axes.add_line(line)
            drawn.setdefault(_name(cell), line)
        _finish(axes, f"{group.scenario}\n{group.load}", both=True)
        _percentile_axes(axes)
    for axes in grid[:, 0]:
        axes.set_ylabel("response time, ms (log)")
    canvas.legend(list(drawn.values()), list(drawn), loc="outside lower center", ncols=3, frameon=False)
    return canvas


def _line(histogram: Histogram, colour: str) -> Line2D:
    """Return the percentile curve up to where fewer than ten requests lie above it, marked at the ticks."""
    last = 100 * (1 - 10 / histogram.total) if histogram.total > 10 else 0
    curve = [(percent, ms) for percent, ms in histogram.spectrum() if percent <= last]
    marks = {percent: histogram.percentile_ms(percent) for percent in _PERCENTS if percent <= last}
    points = sorted([*curve, *((percent, ms) for percent, ms in marks.items() if ms is not None)])
    return Line2D(
        [_nines(percent) for percent, _ in points],
        [ms for _, ms in points],
        color=colour,
        linewidth=1.8,
        marker=_MARKERS[PALETTE.index(colour)],
        markersize=6,
        markevery=[place for place, (percent, _) in enumerate(points) if percent in marks],
    )


def _nines(percent: float) -> float:
    return 100 / (100 - percent)


def _percentile_axes(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.autoscale_view(scalex=False)
    low, high = axes.get_ylim()
    if high < _LEAST_SPAN * low:  # a flat curve should look flat
        middle = (low * high) ** 0.5
        axes.set_ylim(middle / _LEAST_SPAN**0.5, middle * _LEAST_SPAN**0.5)
    axes.set_xlim(1, 2 * _nines(_PERCENTS[-1]))
    axes.xaxis.set_major_locator(FixedLocator([_nines(percent) for percent in _PERCENTS]))
    axes.xaxis.set_major_formatter(FixedFormatter([f"{percent:g}" for percent in _PERCENTS]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("percentile of requests")


def _resources(shown: Sequence[Group], colours: Mapping[str, str]) -> Canvas:
    heights = [len(group.cells) + 1.3 for group in shown]
    canvas = Canvas(figsize=(_WIDTH, 0.5 + 0.42 * sum(heights)), layout=_spaced())
    grid = canvas.subplots(len(shown), 2, squeeze=False, height_ratios=heights, sharey="row")
    for (left, right), group in zip(grid, shown, strict=True):
        _bars(left, group.cells, lambda cell: cell.cpu.us_per_request, colours)
        _bars(right, group.cells, lambda cell: cell.memory_mib.mean, colours)
        _finish(left, f"{group.scenario}: CPU")
        _finish(right, f"{group.scenario}: memory")
        right.tick_params(labelleft=False)
    grid[-1][0].set_xlabel("CPU time, µs a request (less is better)")
    grid[-1][1].set_xlabel("mean memory, MiB (less is better)")
    return canvas


def _finish(axes: Axes, title: str, *, both: bool = False) -> None:
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=8)
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="both" if both else "x", color=FAINT, linewidth=0.8)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)


def _of_cell(trials: Sequence[JudgedTrial], cell: CellSummary) -> list[JudgedTrial]:
    key = (cell.scenario, cell.load, cell.variant.label)
    return [trial for trial in trials if key_of(trial.stored.record.cell) == key]


def _name(cell: CellSummary) -> str:
    return wording.plain(cell.variant.label)


def _upper(figure: Figure) -> float:
    return figure.value if figure.high is None else max(figure.value, figure.high)


def _picture(name: str, title: str, alt: str, canvas: Canvas) -> Picture:
    png, svg = io.BytesIO(), io.StringIO()
    canvas.set_canvas(FigureCanvasAgg(canvas))
    canvas.savefig(png, format="png", dpi=160, metadata={"Software": None})
    canvas.set_canvas(FigureCanvasSVG(canvas))
    canvas.savefig(svg, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return Picture(name, title, alt, png.getvalue(), svg.getvalue())
