"""The comparison tables of a summary, by scenario and load: throughput, latency, CPU, memory.

A table holds numbers (a pandas frame, with the bounds of every interval) and what is shown of them. Twins
of A/A pairs are no rows here. Cells without a valid trial are shown as invalid and never ranked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from harness import comparison, wording
from harness.summary import CellSummary, Comparison, Figure, Summary
from harness.summary_json import round_figure

Kind = Literal["throughput", "latency", "cpu", "memory"]
Group = tuple[str, str]
"""Scenario, and load in words."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One field of a table as people see it."""

    text: str
    best: bool = False
    """Significantly better than all others, past the floor; ties have no best."""


@dataclass(frozen=True, slots=True)
class Table:
    """One comparison table of a scenario and load."""

    kind: Kind
    scenario: str
    load: str
    title: str
    headers: tuple[str, ...]
    """With units; the first is the variant's."""
    rows: tuple[tuple[Shown, ...], ...]
    """The fastest first, invalid ones last."""
    frame: pd.DataFrame
    """The same rows as numbers; missing values were not measured."""


@dataclass(frozen=True, slots=True)
class _Column:
    header: str
    pick: Callable[[CellSummary], Figure | None]
    metric: str | None = None
    """Where the column is one of the compared metrics."""
    interval: bool = False
    """Whether the interval is shown."""


TITLES: Mapping[Kind, str] = {
    "throughput": "Throughput",
    "latency": "Latency (response time)",
    "cpu": "CPU",
    "memory": "Memory and start-up",
}
_COLUMNS: Mapping[Kind, tuple[_Column, ...]] = {
    "throughput": (_Column("requests/s", lambda c: c.requests_per_s, "requests_per_s", interval=True),),
    "latency": (
        _Column("mean ms", lambda c: c.response_ms.mean),
        _Column("p50 ms", lambda c: c.response_ms.p50, "response_ms.p50"),
        _Column("p90 ms", lambda c: c.response_ms.p90),
        _Column("p99 ms", lambda c: c.response_ms.p99, "response_ms.p99"),
        _Column("p99.9 ms", lambda c: c.response_ms.p999),
        _Column("max ms", lambda c: c.response_ms.max),
    ),
    "cpu": (
        _Column("cores", lambda c: c.cpu.cores),
        _Column("% of cap", lambda c: c.cpu.percent_of_cap),
        _Column("µs/request", lambda c: c.cpu.us_per_request, "cpu.us_per_request", interval=True),
        _Column("throttled %", lambda c: c.cpu.throttled_percent),
    ),
    "memory": (
        _Column("idle MiB", lambda c: c.memory_mib.idle),
        _Column("mean MiB", lambda c: c.memory_mib.mean, "memory_mib.mean", interval=True),
        _Column("peak MiB", lambda c: c.memory_mib.peak),
        _Column("kernel peak MiB", lambda c: c.memory_mib.kernel_peak),
        _Column("page cache MiB", lambda c: c.memory_mib.cache),
        _Column("start-up s", lambda c: c.startup_s),
    ),
}
_THROUGHPUT_HEADERS = ("vs slowest", "rank", "limiter", "valid trials")


def build(summary: Summary) -> tuple[Table, ...]:
    """Return the four tables of each scenario and load, in the order of scenarios."""
    return tuple(
        _table(kind, group, cells, compared) for group, cells, compared in groups(summary) for kind in TITLES
    )


def groups(summary: Summary) -> tuple[tuple[Group, tuple[CellSummary, ...], tuple[Comparison, ...]], ...]:
    """Return each scenario and load with its rows in order and the comparisons among them."""
    keys = dict.fromkeys((cell.scenario, cell.load) for cell in summary.cells)
    found = []
    for scenario, load in keys:
        cells = [c for c in summary.cells if (c.scenario, c.load) == (scenario, load)]
        rows = tuple(sorted((c for c in cells if not c.variant.replica), key=_order))
        names = {cell.variant.label for cell in rows}
        compared = tuple(
            c
            for c in summary.comparisons
            if (c.scenario, c.load) == (scenario, load) and {c.base, c.contender} <= names
        )
        found.append(((wording.plain(scenario), wording.load(load)), rows, compared))
    return tuple(found)


def ranks_of(
    cells: Iterable[CellSummary], compared: Iterable[Comparison], metric: str
) -> dict[str, tuple[int, int]]:
    """Return rank intervals, by label, of the cells with a valid trial."""
    names = [cell.variant.label for cell in cells if cell.valid_trials]
    return comparison.ranks(names, [one for one in compared if one.metric == metric])


def to_slowest(cells: Sequence[CellSummary], compared: Iterable[Comparison]) -> dict[str, Comparison]:
    """Return, by label, how each cell's requests/s compare to the slowest ranked cell's, as the base."""
    ranked = [cell for cell in cells if cell.requests_per_s is not None]
    if not ranked:
        return {}
    slowest = ranked[-1].variant.label
    found = {}
    for one in compared:
        if one.metric != "requests_per_s" or one.ratio is None:
            continue
        if one.base == slowest:
            found[one.contender] = one
        elif one.contender == slowest:
            found[one.base] = _inverted(one)
    return found


def _table(kind: Kind, group: Group, cells: Sequence[CellSummary], compared: Sequence[Comparison]) -> Table:
    columns = _COLUMNS[kind]
    best = {column.metric: _best(cells, compared, column.metric) for column in columns}
    rows, records = [], []
    for cell in cells:
        label = wording.plain(cell.variant.label)
        shown = [Shown(label), *(_shown(cell, column, best[column.metric]) for column in columns)]
        record: dict[str, object] = {"scenario": group[0], "load": group[1], "variant": label}
        for column in columns:
            record |= _numbers(column.header, column.pick(cell))
        if kind == "throughput":
            extra, numbers = _throughput(cell, cells, compared)
            shown += extra
            record |= numbers
        rows.append(_marked_invalid(shown) if not cell.valid_trials else tuple(shown))
        records.append(record)
    headers = ("variant", *(column.header for column in columns))
    if kind == "throughput":
        headers = (*headers, *_THROUGHPUT_HEADERS)
    return Table(kind, *group, TITLES[kind], headers, tuple(rows), pd.DataFrame(records))


def _order(cell: CellSummary) -> tuple[float, str]:
    rate = cell.requests_per_s
    return (float("inf") if rate is None else -rate.value, cell.variant.label)


def _best(cells: Sequence[CellSummary], compared: Sequence[Comparison], metric: str | None) -> str | None:
    if metric is None:
        return None
    ranks = ranks_of(cells, compared, metric)
    alone = [label for label, interval in ranks.items() if interval == (1, 1)]
    return alone[0] if len(alone) == 1 and len(ranks) > 1 else None


def _shown(cell: CellSummary, column: _Column, best: str | None) -> Shown:
    write = wording.figure_with_interval if column.interval else wording.figure
    return Shown(write(column.pick(cell)), best=best == cell.variant.label)


def _marked_invalid(shown: Sequence[Shown]) -> tuple[Shown, ...]:
    return (shown[0], Shown("invalid"), *shown[2:])


def _throughput(
    cell: CellSummary, cells: Sequence[CellSummary], compared: Sequence[Comparison]
) -> tuple[list[Shown], dict[str, object]]:
    label = cell.variant.label
    pair = to_slowest(cells, compared).get(label)
    ratio, low, high = (pair.ratio, pair.low, pair.high) if pair else (None, None, None)
    slowest = next((c for c in reversed(cells) if c.requests_per_s is not None), None)
    if cell is slowest:
        ratio = 1.0
    rank = ranks_of(cells, compared, "requests_per_s").get(label)
    written = wording.NOT_MEASURED if ratio is None else wording.ratio_with_interval(ratio, low, high)
    shown = [
        Shown("1" if cell is slowest else written),
        Shown(wording.rank(rank)),
        Shown(cell.limiter),
        Shown(_trials(cell)),
    ]
    numbers: dict[str, object] = _numbers(
        "ratio vs slowest", None if ratio is None else Figure(ratio, low, high)
    )
    numbers |= {
        "rank from": rank[0] if rank else None,
        "rank to": rank[1] if rank else None,
        "limiter": cell.limiter,
        "trials": cell.trials,
        "valid trials": cell.valid_trials,
    }
    return shown, numbers


def _trials(cell: CellSummary) -> str:
    codes = dict.fromkeys(found.code for found in cell.findings if found.severity == "invalid")
    reasons = f" ({', '.join(codes)})" if codes else ""
    return f"{cell.valid_trials} of {cell.trials}{reasons}"


def _numbers(header: str, figure: Figure | None) -> dict[str, object]:
    bounds = (None, None, None) if figure is None else (figure.value, figure.low, figure.high)
    names = (header, f"{header} low", f"{header} high")
    return {
        name: None if bound is None else round_figure(bound)
        for name, bound in zip(names, bounds, strict=True)
    }


def _inverted(one: Comparison) -> Comparison:
    """Return a comparison with its sides swapped."""
    assert one.ratio is not None, "asked of measured pairs alone"
    return Comparison(
        scenario=one.scenario,
        load=one.load,
        metric=one.metric,
        base=one.contender,
        contender=one.base,
        blocks=one.blocks,
        ratio=1 / one.ratio,
        low=None if one.high is None else 1 / one.high,
        high=None if one.low is None else 1 / one.low,
        p_holm=one.p_holm,
        floor=one.floor,
        verdict={"faster": "slower", "slower": "faster"}.get(one.verdict or "", one.verdict),  # type: ignore[arg-type]
    )
