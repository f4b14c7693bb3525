"""What the generator counts while it runs, and the records that it makes of it afterwards.

Counting must be cheap, so the counters are plain lists, indexed by second and histogram step; all
edges are arithmetic on the request's own time stamps, never a flag that a late timer flips.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from harness.ground.histogram import HIGHEST_US, SIZE, Histogram, Interval
from harness.ground.observations import LoadTotals, RequestTotals

_SECOND = 1_000_000_000
_NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class SecondRow:
    """One second of the load, 0 the window's first; negative in the warm-up."""

    second: int
    requests: int
    errors: int
    response_p50_ms: float | None
    response_p99_ms: float | None
    in_flight: float
    """Mean number of requests in flight."""


class Recorder:
    """Counts requests of one generator process; times are CLOCK_MONOTONIC in ns."""

    def __init__(self, *, scheduled: bool = False) -> None:
        """`scheduled`: requests have an intended time, so service times are counted apart."""
        self._scheduled = scheduled
        self.window_start_ns = _NEVER
        self.window_end_ns = _NEVER
        self.sent = 0
        self.connections_opened = 0
        self.requests = 0
        self.errors = 0
        self.censored = 0
        self.response_sum_ns = 0
        self.service_sum_ns = 0
        self.response_min_ns = _NEVER
        self.response_max_ns = 0
        self.in_flight_ns = 0
        self.thinking_ns = 0
        self.served: list[int] = []
        self._by_name: defaultdict[str, int] = defaultdict(int)
        self._kinds: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._words: dict[str, str] = {}
        self._response: defaultdict[int, list[int]] = defaultdict(_counters)
        self._service: defaultdict[int, list[int]] = defaultdict(_counters)
        self._errors_by_second: defaultdict[int, int] = defaultdict(int)
        self._in_flight_by_second: defaultdict[int, int] = defaultdict(int)

    def enrol(self) -> int:
        """Return the number of a new user."""
        self.served.append(0)
        return len(self.served) - 1

    def opens_window(self, start_ns: int, end_ns: int) -> None:
        """Fix the window's edges; what ended earlier was warm-up."""
        self.window_start_ns = start_ns
        self.window_end_ns = end_ns

    def answered(
        self, user: int, name: str, intended_ns: int, sent_ns: int, ended_ns: int, error: str | None
    ) -> None:
        """Count a request that got an answer, or an error in place of one."""
        start_ns = self.window_start_ns
        if start_ns == _NEVER:
            return
        second = (ended_ns - start_ns) // _SECOND
        self._stay(sent_ns, ended_ns)
        if ended_ns >= self.window_end_ns:
            return
        response_ns = ended_ns - intended_ns
        _count(self._response[second], response_ns)
        if self._scheduled:
            _count(self._service[second], ended_ns - sent_ns)
        if error is not None:
            self._errors_by_second[second] += 1
        if ended_ns < start_ns:
            return
        self.requests += 1
        self.served[user] += 1
        self._by_name[name] += 1
        self.response_sum_ns += response_ns
        self.service_sum_ns += ended_ns - sent_ns
        if response_ns < self.response_min_ns:
            self.response_min_ns = response_ns
        if response_ns > self.response_max_ns:
            self.response_max_ns = response_ns
        if error is not None:
            self.errors += 1
            self._kinds[name, error] += 1

    def explain(self, kind: str, words: str) -> None:
        """Keep the first error of each kind in words."""
        self._words.setdefault(kind, words)

    def thought(self, start_ns: int, end_ns: int) -> None:
        """Count a user's think time, clipped to the window."""
        clipped = min(end_ns, self.window_end_ns) - max(start_ns, self.window_start_ns)
        if clipped > 0:
            self.thinking_ns += clipped

    def gave_up(self, sent_ns: int, now_ns: int) -> None:
        """Count a request that was still unanswered when the drain ended."""
        self.censored += 1
        self._stay(sent_ns, now_ns)

    def _stay(self, sent_ns: int, ended_ns: int) -> None:
        """Add a request's time in flight to the window and to its seconds."""
        start_ns = self.window_start_ns
        clipped = min(ended_ns, self.window_end_ns) - max(sent_ns, start_ns)
        if clipped <= 0:
            return
        self.in_flight_ns += clipped
        begin, end = max(sent_ns, start_ns) - start_ns, min(ended_ns, self.window_end_ns) - start_ns
        second = begin // _SECOND
        while begin < end:
            edge = min(end, (second + 1) * _SECOND)
            self._in_flight_by_second[second] += edge - begin
            begin, second = edge, second + 1

    def totals(self) -> LoadTotals:
        """Return the window's totals."""
        kinds: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for (name, kind), count in sorted(self._kinds.items()):
            kinds[name][kind] = count
        return LoadTotals(
            requests=self.requests,
            errors=self.errors,
            sent=self.sent,
            by_name=tuple(RequestTotals(n, c, kinds[n]) for n, c in sorted(self._by_name.items())),
            response_sum_ns=self.response_sum_ns,
            response_min_ns=self.response_min_ns if self.requests else None,
            response_max_ns=self.response_max_ns if self.requests else None,
            service_sum_ns=self.service_sum_ns,
            in_flight_ns=self.in_flight_ns,
            thinking_ns=self.thinking_ns,
            users=len(self.served),
            users_served=sum(1 for count in self.served if count),
            requests_per_user_min=min(self.served, default=0),
            requests_per_user_max=max(self.served, default=0),
            connections_opened=self.connections_opened,
            censored=self.censored,
            first_errors=tuple(f"{kind}: {words}" for kind, words in sorted(self._words.items())),
        )

    def intervals(self) -> Iterator[Interval]:
        """Yield the counters of each second, response and service time as tags.

        Where requests follow no schedule, the two are the same and were counted once.
        """
        length = self.window_end_ns - self.window_start_ns
        for second in sorted(self._response):
            span_s = min(_SECOND, length - second * _SECOND) / _SECOND
            response = Histogram.of(self._response[second])
            yield Interval("response", float(second), span_s, response)
            service = Histogram.of(self._service[second]) if self._scheduled else response
            yield Interval("service", float(second), span_s, service)

    def seconds(self) -> Iterator[SecondRow]:
        """Yield the per-second series."""
        return (self.second(second) for second in sorted(self._response))

    def second(self, second: int) -> SecondRow:
        """Return one second of the series."""
        histogram = Histogram.of(self._response.get(second) or _counters())
        return SecondRow(
            second=second,
            requests=histogram.total,
            errors=self._errors_by_second.get(second, 0),
            response_p50_ms=histogram.percentile_ms(50),
            response_p99_ms=histogram.percentile_ms(99),
            in_flight=self._in_flight_by_second.get(second, 0) / _SECOND,
        )


def _counters() -> list[int]:
    return [0] * SIZE


def _count(counters: list[int], time_ns: int) -> None:
    """Add one to the step of a time; `harness.ground.histogram.index_of`, written out for speed."""
    value_us = time_ns // 1000
    if value_us < 256:
        counters[max(value_us, 1)] += 1
        return
    value_us = min(value_us, HIGHEST_US)
    bucket = value_us.bit_length() - 8
    counters[(bucket << 7) + (value_us >> bucket)] += 1
