"""Pictures of a summary: throughput, latency percentiles, CPU and memory, and curves of scaling."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, LogLocator, NullLocator

from harness.ground.histogram import Histogram
from harness.judgement.comparison import GIVEN
from harness.judgement.trials import CellKey, JudgedTrial, by_cell
from harness.output import scaling_plots, wording
from harness.output.drawing import (
    INK,
    MARKERS,
    PALETTE,
    SETTINGS,
    WARN,
    WIDTH,
    Picture,
    colours_of,
    finish,
    picture,
    spaced,
)
from harness.output.standings import Group, groups, labels_of
from harness.records.summary import CellSummary, Figure, Summary

NAMES = ("throughput", "latency", "resources", "scaling")
"""Of the pictures that a run may have."""
_LONGEST = 32
"""Signs of a name that a picture has room for."""
MOST_ROWS = 60
"""Of all scenarios together; a picture with more could not be read. The page has charts of all of them."""
_LEAST_SPAN = 5.0
"""The least ratio between the ends of a latency axis."""
_PERCENTS = (50.0, 90.0, 99.0, 99.9, 99.99)


_Trials = Mapping[CellKey, Sequence[JudgedTrial]]


def pictures(summary: Summary, trials: Sequence[JudgedTrial]) -> tuple[Picture, ...]:
    """Return the pictures of a run; none where no cell has a valid trial, or more than fit on one."""
    with mpl.rc_context(SETTINGS):
        return tuple(picture(name, canvas) for name, canvas in canvases(summary, trials).items())


def canvases(summary: Summary, trials: Sequence[JudgedTrial]) -> dict[str, Canvas]:
    """Return what is drawn, by the picture's name."""
    shown = [group for group in groups(summary) if group.ranked]
    if not shown or sum(len(group.cells) for group in shown) > MOST_ROWS:
        return {}
    of_cells = by_cell(trials)
    colours = colours_of(labels_of(summary))
    found = [group for group in shown if group.metric == GIVEN]  # a given rate is no result
    with mpl.rc_context(SETTINGS):
        return {
            **({"throughput": _throughput(found, of_cells, colours)} if found else {}),
            "latency": _latency(shown, of_cells, colours),
            "resources": _resources(shown, colours),
            **scaling_plots.canvases(summary.scaling, colours),
        }


def _throughput(shown: Sequence[Group], trials: _Trials, colours: Mapping[str, str]) -> Canvas:
    heights = [len(group.cells) + 1.3 for group in shown]
    canvas = Canvas(figsize=(WIDTH, 0.5 + 0.42 * sum(heights)), layout=spaced())
    all_axes = canvas.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, group in zip(all_axes, shown, strict=True):
        _bars(axes, group.cells, lambda cell: cell.requests_per_s, colours)
        for place, cell in enumerate(group.cells):
            _dots(axes, place, _of_cell(trials, cell))
        finish(axes, f"{_scenario(group)} ({group.load})")
    all_axes[-1].set_xlabel(
        "requests/s (more is better): mean of valid trials, 95 % interval; ○ valid trial, × invalid trial"
    )
    return canvas


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


def _latency(shown: Sequence[Group], trials: _Trials, colours: Mapping[str, str]) -> Canvas:
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)
    canvas = Canvas(figsize=(WIDTH, 3.4 * rows + 0.4), layout=spaced())
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
        finish(axes, f"{_scenario(group)}\n{group.load}", both=True)
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
        marker=MARKERS[PALETTE.index(colour)],
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
    canvas = Canvas(figsize=(WIDTH, 0.5 + 0.42 * sum(heights)), layout=spaced())
    grid = canvas.subplots(len(shown), 2, squeeze=False, height_ratios=heights, sharey="row")
    for (left, right), group in zip(grid, shown, strict=True):
        _bars(left, group.cells, lambda cell: cell.cpu.us_per_request, colours)
        _bars(right, group.cells, lambda cell: cell.memory_mib.mean, colours)
        finish(left, f"{_scenario(group)}: CPU")
        finish(right, f"{_scenario(group)}: memory")
        right.tick_params(labelleft=False)
    grid[-1][0].set_xlabel("CPU time, µs a request (less is better)")
    grid[-1][1].set_xlabel("mean memory, MiB (less is better)")
    return canvas


def _of_cell(trials: _Trials, cell: CellSummary) -> Sequence[JudgedTrial]:
    return trials.get((cell.scenario, cell.load, cell.variant.label), ())


def _name(cell: CellSummary) -> str:
    return wording.shortened(wording.plain(cell.variant.label), _LONGEST)


def _scenario(group: Group) -> str:
    return wording.shortened(group.scenario, _LONGEST)


def _upper(figure: Figure) -> float:
    return figure.value if figure.high is None else max(figure.value, figure.high)
