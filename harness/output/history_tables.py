"""Many runs as tables: one for each scenario and load, a row for each level that a cell's figure had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.ground import stats
from harness.judgement.history import LEAST_RUNS, LeftOut, Series, Step
from harness.output import wording
from harness.output.change_tables import difference_in_words
from harness.output.grids import Grid, Shown
from harness.output.tables import METRIC_HEADERS
from harness.records.summary import Figure

LEGEND = (
    "Each run is one value, in the course from the least to the greatest of its row. before and after are "
    f"geometric means over the runs of a level, which lasts {LEAST_RUNS} runs at least; [ ] is the change's "
    "95 % interval (Welch's t on logs), a little too narrow since the place was looked for."
)
HEADERS = ("variant", "metric", "runs", "course", "change since", "before", "after", "change %", "verdict")
_NONE = wording.NOT_MEASURED
_LEVELS = "▁▂▃▄▅▆▇█"
_MOST_SHOWN = 40
"""Of a course, the newest."""


def build(found: Sequence[Series]) -> tuple[Grid, ...]:
    """Return a table for each scenario and load."""
    keys = dict.fromkeys((one.scenario, one.load) for one in found)
    return tuple(
        Grid(
            wording.plain(scenario),
            wording.load(load),
            "From run to run",
            HEADERS,
            tuple(row for one in found if (one.scenario, one.load) == (scenario, load) for row in _rows(one)),
        )
        for scenario, load in keys
    )


def steps_in_words(found: Sequence[Series]) -> Iterator[str]:
    """Yield a line for each run with which some level changed: what else differed from the run before."""
    steps = sorted((step for one in found for step in one.steps), key=lambda step: step.run)
    differing = {step.run: step.differing for step in steps}
    for run, others in differing.items():
        told = [difference_in_words(one) for one in others]
        yield f"changed with {run}: {'; '.join(told) or 'nothing that was recorded'}"


def left_out_in_words(left: Sequence[LeftOut]) -> Iterator[str]:
    """Yield a line for each reason for which runs are left out."""
    reasons: dict[str, list[str]] = {}
    for one in left:
        reasons.setdefault(one.why, []).append(one.run)
    for why, runs in reasons.items():
        yield f"left out: {', '.join(runs)} ({wording.plain(why)})"


def course(values: Sequence[float]) -> str:
    """Return values as a line of bars, from the least to the greatest."""
    shown = values[-_MOST_SHOWN:]
    least, span = min(shown), max(shown) - min(shown)
    return "".join(_LEVELS[round(7 * (value - least) / span) if span else 3] for value in shown)


def _rows(one: Series) -> Iterator[tuple[Shown, ...]]:
    values = [point.value for point in one.points]
    head = (wording.plain(one.variant), METRIC_HEADERS[one.metric], str(len(values)), course(values))
    if not one.steps:
        told = "too few runs" if len(values) < 2 * LEAST_RUNS else "no change"
        level = _figure(stats.geometric_mean(values))
        yield tuple(map(Shown, (*head, _NONE, _NONE, level, _NONE, told)))
    for step in one.steps:
        change = (step.run, _figure(step.before), _figure(step.after), _percent(step), step.verdict)
        yield tuple(map(Shown, (*head, *change)))
        head = ("", "", "", "")


def _figure(value: float | None) -> str:
    return wording.figure(None if value is None else Figure(value, None, None))


def _percent(step: Step) -> str:
    value, low, high = (None if r is None else 100 * (r - 1) for r in (step.ratio, step.low, step.high))
    interval = "" if low is None or high is None else f" [{low:+.1f}, {high:+.1f}]"
    return f"{value:+.1f}{interval}"
