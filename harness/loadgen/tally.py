"""What one generator process has counted, as a value: sent to the master, merged, and written down.

Merging is adding, so the sum over processes is, to the bit, what one process would have counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from harness.ground.histogram import SIZE, Histogram, Interval
from harness.ground.observations import LoadTotals, ProcessTotals, RequestTotals, SendLag

_Key = TypeVar("_Key")
SECOND_NS = 1_000_000_000
Sparse = Mapping[int, int]
"""A histogram's counters that hold something, by index."""


@dataclass(frozen=True, slots=True)
class Named:
    """One request name's counts by second; second 0 is the window's first, negative the warm-up."""

    response: Mapping[int, Sparse]
    service: Mapping[int, Sparse]
    """Empty where requests follow no schedule: it is the response time then."""
    errors: Mapping[str, int]
    """In the window, by kind."""
    failed: Mapping[int, Sparse]
    """The response times of the errors alone, by second."""


@dataclass(frozen=True, slots=True)
class Tally:
    """One process's counts, or the sum of several."""

    window_ns: int
    names: Mapping[str, Named]
    served: tuple[int, ...]
    """Answers in the window by user."""
    sent: int
    connections_opened: int
    censored: int
    response_sum_ns: int
    service_sum_ns: int
    response_min_ns: int | None
    response_max_ns: int | None
    in_flight_ns: int
    thinking_ns: int
    lag_sum_ns: int
    """Summed over the window's requests, whoever was late."""
    idle_lag: Sparse
    """Actual minus intended send of users that were idle at the intended moment."""
    in_flight_by_second: Mapping[int, int] = field(default_factory=dict)
    """Time in flight in ns."""
    words: Mapping[str, str] = field(default_factory=dict)
    """The first error of each kind."""
    delivered: int | None = None
    """Requests that arrived, by the kernel's count; None where that is unknown."""
    marks: Mapping[str, int] = field(default_factory=dict)
    """What answers in the window said in the header that their scenario has counted."""
    tls: Mapping[str, int] = field(default_factory=dict)
    """Connections by what they agreed on."""


@dataclass(frozen=True, slots=True)
class SecondRow:
    """One second of the load."""

    second: int
    requests: int
    errors: int
    response_p50_ms: float | None
    response_p99_ms: float | None
    in_flight: float
    """Mean number of requests in flight."""


def merge(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of one or more tallies of one window."""
    each = tuple(tallies)
    names = sorted({name for tally in each for name in tally.names})
    least = [t.response_min_ns for t in each if t.response_min_ns is not None]
    greatest = [t.response_max_ns for t in each if t.response_max_ns is not None]
    return Tally(
        window_ns=each[0].window_ns,
        names={name: _merge_named([t.names[name] for t in each if name in t.names]) for name in names},
        served=tuple(count for tally in each for count in tally.served),
        sent=sum(t.sent for t in each),
        connections_opened=sum(t.connections_opened for t in each),
        censored=sum(t.censored for t in each),
        response_sum_ns=sum(t.response_sum_ns for t in each),
        service_sum_ns=sum(t.service_sum_ns for t in each),
        response_min_ns=min(least, default=None),
        response_max_ns=max(greatest, default=None),
        in_flight_ns=sum(t.in_flight_ns for t in each),
        thinking_ns=sum(t.thinking_ns for t in each),
        lag_sum_ns=sum(t.lag_sum_ns for t in each),
        idle_lag=_add(t.idle_lag for t in each),
        in_flight_by_second=_add(t.in_flight_by_second for t in each),
        words={kind: words for t in reversed(each) for kind, words in t.words.items()},
        delivered=_sum_of_known([t.delivered for t in each]),
        marks=_add(t.marks for t in each),
        tls=_add(t.tls for t in each),
    )


def totals(tally: Tally) -> LoadTotals:
    """Return the window's totals."""
    by_name = tuple(
        RequestTotals(name, _in_window(named.response), dict(sorted(named.errors.items())))
        for name, named in tally.names.items()
    )
    return LoadTotals(
        requests=sum(row.requests for row in by_name),
        errors=sum(sum(row.errors.values()) for row in by_name),
        sent=tally.sent,
        delivered=tally.delivered,
        by_name=by_name,
        response_sum_ns=tally.response_sum_ns,
        response_min_ns=tally.response_min_ns,
        response_max_ns=tally.response_max_ns,
        service_sum_ns=tally.service_sum_ns,
        in_flight_ns=tally.in_flight_ns,
        thinking_ns=tally.thinking_ns,
        users=len(tally.served),
        users_served=sum(1 for count in tally.served if count),
        requests_per_user_min=min(tally.served, default=0),
        requests_per_user_max=max(tally.served, default=0),
        connections_opened=tally.connections_opened,
        censored=tally.censored,
        first_errors=tuple(f"{kind}: {words}" for kind, words in sorted(tally.words.items())),
        lag=_lag(tally),
        marks=dict(sorted(tally.marks.items())),
        tls=dict(sorted(tally.tls.items())),
    )


def share_of(tally: Tally) -> ProcessTotals:
    """Return what one process's users were answered in the window."""
    return ProcessTotals(users=len(tally.served), requests=sum(tally.served))


def intervals(tally: Tally) -> Iterator[Interval]:
    """Yield the interval log: each second, name, and kind of time.

    The tags are `response.<n>` and `service.<n>`, n the name's place in `LoadTotals.by_name`.
    """
    for number, named in enumerate(tally.names.values()):
        for second, counts in sorted(named.response.items()):
            span_s = min(SECOND_NS, tally.window_ns - second * SECOND_NS) / SECOND_NS
            response = _dense(counts)
            yield Interval(f"response.{number}", float(second), span_s, response)
            service = _dense(named.service[second]) if named.service else response
            yield Interval(f"service.{number}", float(second), span_s, service)


def seconds(tally: Tally) -> Iterator[SecondRow]:
    """Yield the per-second series."""
    every = sorted({second for named in tally.names.values() for second in named.response})
    return (_row(tally, second) for second in every)


def _row(tally: Tally, second: int) -> SecondRow:
    histogram = _dense(_add(n.response[second] for n in tally.names.values() if second in n.response))
    return SecondRow(
        second=second,
        requests=histogram.total,
        errors=sum(sum(named.failed.get(second, {}).values()) for named in tally.names.values()),
        response_p50_ms=histogram.percentile_ms(50),
        response_p99_ms=histogram.percentile_ms(99),
        in_flight=tally.in_flight_by_second.get(second, 0) / SECOND_NS,
    )


def _lag(tally: Tally) -> SendLag | None:
    idle = _dense(tally.idle_lag)
    p99_ms = idle.percentile_ms(99)
    if p99_ms is None:
        return None
    return SendLag(sum_ns=tally.lag_sum_ns, idle_sends=idle.total, idle_p99_ns=round(p99_ms * 1e6))


def _sum_of_known(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _merge_named(each: list[Named]) -> Named:
    return Named(
        response=_add_by_second(named.response for named in each),
        service=_add_by_second(named.service for named in each),
        errors=_add(named.errors for named in each),
        failed=_add_by_second(named.failed for named in each),
    )


def _add_by_second(each: Iterable[Mapping[int, Sparse]]) -> dict[int, Sparse]:
    found: dict[int, list[Sparse]] = {}
    for by_second in each:
        for second, counts in by_second.items():
            found.setdefault(second, []).append(counts)
    return {second: _add(counts) for second, counts in sorted(found.items())}


def _add(each: Iterable[Mapping[_Key, int]]) -> dict[_Key, int]:
    total: dict[_Key, int] = {}
    for counts in each:
        for key, count in counts.items():
            total[key] = total.get(key, 0) + count
    return total


def _in_window(by_second: Mapping[int, Sparse]) -> int:
    return sum(sum(counts.values()) for second, counts in by_second.items() if second >= 0)


def _dense(counts: Sparse) -> Histogram:
    dense = [0] * SIZE
    for index, count in counts.items():
        dense[index] = count
    return Histogram.of(dense)
