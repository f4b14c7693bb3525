"""What changed between two runs, as tables: one for each scenario and load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.judgement.changes import Change, Difference
from harness.judgement.gates import Gate
from harness.output import wording
from harness.output.grids import Grid, Shown
from harness.output.tables import METRIC_HEADERS
from harness.records.summary import Figure

LEGEND = (
    "Base and new are geometric means over valid trials; [ ] is the change's 95 % interval (Welch's t on "
    "logs). What the machine drifted between the two runs is in the change and not in its interval. "
    "– was not measured."
)
HEADERS = ("variant", "metric", "base", "new", "change %", "verdict")


def build(changes: Sequence[Change]) -> tuple[Grid, ...]:
    """Return a table for each scenario and load."""
    keys = dict.fromkeys((change.scenario, change.load) for change in changes)
    return tuple(
        Grid(
            wording.plain(scenario),
            wording.load(load),
            "New over base",
            HEADERS,
            tuple(_rows([one for one in changes if (one.scenario, one.load) == (scenario, load)])),
        )
        for scenario, load in keys
    )


def difference_in_words(one: Difference) -> str:
    """Return a line about something else that differs."""
    return f"{wording.plain(one.what)}: {wording.plain(one.base)} → {wording.plain(one.new)}"


def broken_in_words(gate: Gate, change: Change) -> str:
    """Return a line about a change that passes a gate's bound."""
    return f"{_place(change)}: {gate.metric} {percent(change)}, beyond {gate.percent:+g} %"


def unchecked_in_words(gate: Gate, change: Change) -> str:
    """Return a line about a change that no gate could be held against."""
    base, new = change.trials
    return f"{_place(change)}: {gate.metric} not checked ({base} and {new} valid trials; 2 each are needed)"


def idle_in_words(gate: Gate) -> str:
    """Return a line about a gate on a metric that nothing is compared on."""
    return f"{gate.metric} not checked (nothing is compared on it; requests/s are given under `rate`)"


def percent(change: Change) -> str:
    """Return `-4.8 [-5.9, -3.7]`, in %."""
    if change.ratio is None:
        return wording.NOT_MEASURED
    value, low, high = (None if r is None else 100 * (r - 1) for r in (change.ratio, change.low, change.high))
    assert value is not None
    if low is None or high is None:
        return f"{value:+.1f}"
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def verdict_in_words(change: Change) -> str:
    """Return the verdict, or why there is none."""
    if change.ratio is None:
        lacking = [side for side, trials in zip(("base", "new"), change.trials, strict=True) if not trials]
        return f"no valid trial in {' and '.join(lacking)}"
    return change.verdict or "too few trials"


def figure(value: float | None) -> str:
    """Return one side's figure in words."""
    return wording.figure(None if value is None else Figure(value, None, None))


def _rows(changes: Sequence[Change]) -> Iterator[tuple[Shown, ...]]:
    """Yield each variant's metrics beneath each other; a single row where a side has no valid trial."""
    for variant in dict.fromkeys(change.variant for change in changes):
        of_variant = [change for change in changes if change.variant == variant]
        if all(change.ratio is None for change in of_variant):
            blank = [Shown(wording.NOT_MEASURED)] * 4
            yield (Shown(wording.plain(variant)), *blank, Shown(verdict_in_words(of_variant[0])))
        else:
            yield from map(_row, of_variant)


def _row(change: Change) -> tuple[Shown, ...]:
    return (
        Shown(wording.plain(change.variant)),
        Shown(METRIC_HEADERS[change.metric]),
        Shown(figure(change.base)),
        Shown(figure(change.new)),
        Shown(percent(change)),
        Shown(verdict_in_words(change)),
    )


def _place(change: Change) -> str:
    return f"{wording.plain(change.scenario)} · {wording.plain(change.variant)}"
