"""What a generator process counts while it runs.

Counting must be cheap, so the counters are plain lists, by name, second and histogram step; all edges
are arithmetic on the request's own time stamps, never a flag that a late timer flips.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from harness.ground.histogram import HIGHEST_US, SIZE
from harness.loadgen.tally import SECOND_NS, Named, Sparse, Tally

NEVER_NS = 1 << 62
_BySecond = defaultdict[int, list[int]]


class Recorder:
    """Counts the requests of one process; times are CLOCK_MONOTONIC in ns."""

    def __init__(self, *, scheduled: bool = False) -> None:
        """`scheduled`: requests have an intended time, so service times and lag are counted apart."""
        self.scheduled = scheduled
        self.window_start_ns = NEVER_NS
        self.window_end_ns = NEVER_NS
        self.sent = 0
        self.connections_opened = 0
        self.censored = 0
        self._response_sum_ns = 0
        self._service_sum_ns = 0
        self._response_min_ns = NEVER_NS
        self._response_max_ns = -1
        self._in_flight_ns = 0
        self._thinking_ns = 0
        self._lag_sum_ns = 0
        self._idle_lag = _counters()
        self._served: list[int] = []
        self._response: defaultdict[str, _BySecond] = defaultdict(_by_second)
        self._service: defaultdict[str, _BySecond] = defaultdict(_by_second)
        self._kinds: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._words: dict[str, str] = {}
        self._failed: defaultdict[str, _BySecond] = defaultdict(_by_second)
        self.on_error: Callable[[str, int, str, str], None] | None = None
        """Called with the name, the response time in ns, the kind of error and its words."""
        self._in_flight_by_second: defaultdict[int, int] = defaultdict(int)

    def enrol(self) -> int:
        """Return the number of a new user."""
        self._served.append(0)
        return len(self._served) - 1

    def open_window(self, start_ns: int, end_ns: int) -> None:
        """Fix the window's edges; what ends before is warm-up."""
        self.window_start_ns = start_ns
        self.window_end_ns = end_ns

    def answered(
        self, user: int, name: str, intended_ns: int, sent_ns: int, ended_ns: int, error: str | None
    ) -> None:
        """Count a request that got an answer, or an error in place of one."""
        start_ns = self.window_start_ns
        if start_ns == NEVER_NS:
            return
        self._stay(sent_ns, ended_ns)
        if ended_ns >= self.window_end_ns:
            return
        second = (ended_ns - start_ns) // SECOND_NS
        response_ns = ended_ns - intended_ns
        _count(self._response[name][second], response_ns)
        if self.scheduled:
            _count(self._service[name][second], ended_ns - sent_ns)
        if error is not None:
            _count(self._failed[name][second], response_ns)
        if ended_ns < start_ns:
            return
        self._served[user] += 1
        self._response_sum_ns += response_ns
        self._service_sum_ns += ended_ns - sent_ns
        self._lag_sum_ns += sent_ns - intended_ns
        if response_ns < self._response_min_ns:
            self._response_min_ns = response_ns
        if response_ns > self._response_max_ns:
            self._response_max_ns = response_ns
        if error is not None:
            self._kinds[name][error] += 1

    def sent_when_idle(self, intended_ns: int, sent_ns: int) -> None:
        """Count how late the generator itself was: the user had nothing else to wait for."""
        if self.window_start_ns <= intended_ns < self.window_end_ns:
            _count(self._idle_lag, sent_ns - intended_ns)

    def failed(
        self, user: int, name: str, intended_ns: int, sent_ns: int, ended_ns: int, kind: str, words: str
    ) -> None:
        """Count a request that did not get what it had to; the first of each kind is kept in words."""
        self.answered(user, name, intended_ns, sent_ns, ended_ns, kind)
        self.explain(kind, words)
        if self.on_error is not None:
            self.on_error(name, ended_ns - intended_ns, kind, words)

    def explain(self, kind: str, words: str) -> None:
        """Keep the first error of each kind in words."""
        self._words.setdefault(kind, words)

    def thought(self, start_ns: int, end_ns: int) -> None:
        """Count a user's think time, clipped to the window."""
        clipped = min(end_ns, self.window_end_ns) - max(start_ns, self.window_start_ns)
        if clipped > 0:
            self._thinking_ns += clipped

    def gave_up(self, sent_ns: int, now_ns: int) -> None:
        """Count a request that was still unanswered when the drain ended."""
        self.censored += 1
        self._stay(sent_ns, now_ns)

    def _stay(self, sent_ns: int, ended_ns: int) -> None:
        """Add a request's time in flight to the window and to its seconds."""
        start_ns = self.window_start_ns
        begin = max(sent_ns, start_ns) - start_ns
        end = min(ended_ns, self.window_end_ns) - start_ns
        if begin >= end:
            return
        self._in_flight_ns += end - begin
        second = begin // SECOND_NS
        while begin < end:
            edge = min(end, (second + 1) * SECOND_NS)
            self._in_flight_by_second[second] += edge - begin
            begin, second = edge, second + 1

    def tally(self) -> Tally:
        """Return what has been counted, as a value."""
        return Tally(
            window_ns=self.window_end_ns - self.window_start_ns,
            names={
                name: Named(
                    _sparse(counts),
                    _sparse(self._service[name]),
                    dict(self._kinds[name]),
                    _sparse(self._failed[name]),
                )
                for name, counts in sorted(self._response.items())
            },
            served=tuple(self._served),
            sent=self.sent,
            connections_opened=self.connections_opened,
            censored=self.censored,
            response_sum_ns=self._response_sum_ns,
            service_sum_ns=self._service_sum_ns,
            response_min_ns=None if self._response_min_ns == NEVER_NS else self._response_min_ns,
            response_max_ns=None if self._response_max_ns < 0 else self._response_max_ns,
            in_flight_ns=self._in_flight_ns,
            thinking_ns=self._thinking_ns,
            lag_sum_ns=self._lag_sum_ns,
            idle_lag=_nonzero(self._idle_lag),
            in_flight_by_second=dict(self._in_flight_by_second),
            words=dict(self._words),
        )

    def first_second(self) -> int | None:
        """Return the first second in which anything ended; None before that."""
        return min((second for counts in self._response.values() for second in counts), default=None)

    def second(self, second: int) -> Tally:
        """Return one second alone, for the live display."""
        names = {
            name: Named(
                {second: _nonzero(counts[second])}, {}, {}, {second: _nonzero(self._failed[name][second])}
            )
            for name, counts in self._response.items()
            if second in counts
        }
        return Tally(
            window_ns=self.window_end_ns - self.window_start_ns,
            names=names,
            served=(),
            sent=0,
            connections_opened=0,
            censored=0,
            response_sum_ns=0,
            service_sum_ns=0,
            response_min_ns=None,
            response_max_ns=None,
            in_flight_ns=0,
            thinking_ns=0,
            lag_sum_ns=0,
            idle_lag={},
            in_flight_by_second={second: self._in_flight_by_second.get(second, 0)},
        )


def _counters() -> list[int]:
    return [0] * SIZE


def _by_second() -> _BySecond:
    return defaultdict(_counters)


def _nonzero(counters: list[int]) -> Sparse:
    return {index: count for index, count in enumerate(counters) if count}


def _sparse(by_second: _BySecond) -> Mapping[int, Sparse]:
    return {second: _nonzero(counters) for second, counters in sorted(by_second.items())}


def _count(counters: list[int], time_ns: int) -> None:
    """Add one to the step of a time; `harness.ground.histogram.index_of`, written out for speed."""
    value_us = time_ns // 1000
    if value_us < 256:
        counters[max(value_us, 1)] += 1
        return
    value_us = min(value_us, HIGHEST_US)
    bucket = value_us.bit_length() - 8
    counters[(bucket << 7) + (value_us >> bucket)] += 1
