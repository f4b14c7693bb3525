"""The comparison tables of a summary, by scenario and load: throughput, latency, CPU, memory.

A table holds numbers (a pandas frame, with the bounds of every interval) and what is shown of them. Twins
of A/A pairs are no rows here. Cells without a valid trial are shown as invalid and never ranked; what a
variant does not implement is shown as such, and has no numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from harness.ground.model import Load, Profile
from harness.output import scaling_tables, wording
from harness.output.grids import Kind, Shown, Table, numbers
from harness.output.standings import Group, best_of, between, groups, ranks_of
from harness.records.summary import CellSummary, Figure, Summary


@dataclass(frozen=True, slots=True)
class _Column:
    header: str
    pick: Callable[[CellSummary], Figure | None]
    metric: str | None = None
    """Where the column is one of the compared metrics."""
    interval: bool = False
    """Whether the interval is shown."""
    where_present: bool = False
    """Whether it is left out where no row has such a figure."""


def _in_percent(share: Figure | None) -> Figure | None:
    if share is None:
        return None
    bounds = (None if bound is None else 100 * bound for bound in (share.low, share.high))
    return Figure(100 * share.value, *bounds)


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
        _Column(
            "yardsticks/request",
            lambda c: c.cpu.yardsticks_per_request,
            "cpu.yardsticks_per_request",
            interval=True,
            where_present=True,
        ),
        _Column("throttled %", lambda c: c.cpu.throttled_percent),
        _Column("cache hits %", lambda c: _in_percent(c.hit_rate), where_present=True),
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
_TITLES_OF_CAPACITY: Mapping[Kind, str] = {
    **TITLES,
    "throughput": "Capacity: the highest rate within the bound",
    "latency": "Latency at it (response time)",
    "cpu": "CPU at it",
    "memory": "Memory at it, and start-up",
}
_TITLES_AT_A_RATE: Mapping[Kind, str] = {
    **TITLES,
    "throughput": "At the given rate, ranked by p50",
    "latency": "Latency: response time, from when a request was due; service time, from its actual send",
}
_COLUMNS_AT_A_RATE: Mapping[Kind, tuple[_Column, ...]] = {
    **_COLUMNS,
    "throughput": (_Column("p50 ms", lambda c: c.response_ms.p50, "response_ms.p50", interval=True),),
    "latency": (
        *_COLUMNS["latency"],
        _Column("service p50 ms", lambda c: c.service_ms.p50),
        _Column("service p99 ms", lambda c: c.service_ms.p99),
        _Column("mean lag ms", lambda c: c.send_lag_ms.mean),
        _Column("idle lag p99 ms", lambda c: c.send_lag_ms.idle_p99),
    ),
}
_COLUMNS_AT_A_SHARE: Mapping[Kind, tuple[_Column, ...]] = {
    **_COLUMNS_AT_A_RATE,
    "throughput": (
        *_COLUMNS_AT_A_RATE["throughput"],
        _Column("requests/s", lambda c: c.requests_per_s),
    ),
}
_TITLES_OF: Mapping[Profile, Mapping[Kind, str]] = {
    "closed": TITLES,
    "rate": _TITLES_AT_A_RATE,
    "capacity": _TITLES_OF_CAPACITY,
}
METRIC_HEADERS = {
    column.metric: column.header for kind in _COLUMNS.values() for column in kind if column.metric
}
"""What the compared metrics are called, with their units."""
_THROUGHPUT_HEADERS = ("vs slowest", "rank", "limiter", "valid trials")


def build(summary: Summary) -> tuple[Table, ...]:
    """Return the four tables of each scenario and load, in the order of scenarios, then those of curves."""
    of_groups = (_table(kind, group) for group in groups(summary) for kind in TITLES)
    return (*of_groups, *scaling_tables.build(summary.scaling))


def _table(kind: Kind, group: Group) -> Table:
    load = group.cells[0].load
    columns = tuple(
        column
        for column in _columns_under(load)[kind]
        if not column.where_present or any(column.pick(cell) is not None for cell in group.cells)
    )
    best = {column.header: best_of(group, column.metric) if column.metric else None for column in columns}
    rows, records = [], []
    for cell in group.cells:
        label = wording.plain(cell.variant.label)
        shown = [Shown(label), *(_shown(cell, column, best[column.header]) for column in columns)]
        record: dict[str, object] = {"scenario": group.scenario, "load": group.load, "variant": label}
        for column in columns:
            record |= numbers(column.header, column.pick(cell))
        if kind == "throughput":
            extra, more = _throughput(cell, group)
            shown += extra
            record |= more
        rows.append(tuple(shown) if cell.valid_trials else _marked_invalid(shown))
        records.append(record)
    headers = ("variant", *(column.header for column in columns))
    if kind == "throughput":
        headers = (*headers, *_THROUGHPUT_HEADERS)
    dashes = [Shown(wording.NOT_MEASURED)] * (len(headers) - 2)
    rows += [(Shown(wording.plain(label)), Shown("not implemented"), *dashes) for label in group.absent]
    return Table(
        group.scenario,
        group.load,
        _TITLES_OF[load.profile][kind],
        headers,
        tuple(rows),
        kind,
        pd.DataFrame(records),
    )


def _columns_under(load: Load) -> Mapping[Kind, tuple[_Column, ...]]:
    if load.profile != "rate":
        return _COLUMNS
    return _COLUMNS_AT_A_RATE if load.share is None else _COLUMNS_AT_A_SHARE


def _shown(cell: CellSummary, column: _Column, best: str | None) -> Shown:
    write = wording.figure_with_interval if column.interval else wording.figure
    return Shown(write(column.pick(cell)), best=best == cell.variant.label)


def _marked_invalid(shown: Sequence[Shown]) -> tuple[Shown, ...]:
    return (shown[0], Shown("invalid"), *shown[2:])


def _throughput(cell: CellSummary, group: Group) -> tuple[list[Shown], dict[str, object]]:
    label = cell.variant.label
    alone = len(group.ranked) < 2
    slowest = group.ranked[-1] if group.ranked else None
    pair = between(group, slowest.variant.label, label, group.metric) if slowest else None
    ratio, low, high = (pair.ratio, pair.low, pair.high) if pair else (None, None, None)
    if cell is slowest and not alone:
        ratio = 1.0
    rank = None if alone else ranks_of(group).get(label)
    written = wording.NOT_MEASURED if ratio is None else wording.ratio_with_interval(ratio, low, high)
    shown = [
        Shown("1" if ratio == 1.0 and cell is slowest else written),
        Shown(wording.rank(rank)),
        Shown(cell.limiter),
        Shown(_trials(cell)),
    ]
    found: dict[str, object] = numbers(
        "ratio vs slowest", None if ratio is None else Figure(ratio, low, high)
    )
    found |= {
        "ranked by": wording.METRICS[group.metric],
        "rank from": rank[0] if rank else None,
        "rank to": rank[1] if rank else None,
        "limiter": cell.limiter,
        "trials": cell.trials,
        "valid trials": cell.valid_trials,
    }
    return shown, found


def _trials(cell: CellSummary) -> str:
    codes = dict.fromkeys(found.code for found in cell.findings if found.severity == "invalid")
    reasons = f" ({', '.join(codes)})" if codes else ""
    return f"{cell.valid_trials} of {cell.trials}{reasons}"
