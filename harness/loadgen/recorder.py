"""What a generator process counts while it runs.

Counting must be cheap, so the counters are plain lists, by name, second and histogram step; all edges
are arithmetic on the request's own time stamps, never a flag that a late timer flips.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from harness.ground.histogram import SIZE, index_of
from harness.loadgen.tally import SECOND_NS, Named, Sparse, Tally

NEVER_NS = 1 << 62
_TABLED_US = 1 << 16
_STEPS = tuple(map(index_of, range(_TABLED_US)))
"""The histogram's step of each time in µs up to 65 ms, looked up for speed."""
_Counters = defaultdict[str, list[int]]


class _Second:
    """What ended in one second; the window's last one may be shorter."""

    __slots__ = (
        "before_ns",
        "end_ns",
        "failed",
        "greatest_ns",
        "lag_ns",
        "least_ns",
        "response",
        "served",
        "service",
        "service_ns",
        "start_ns",
    )

    def __init__(self, start_ns: int, end_ns: int, served: list[int]) -> None:
        """Begin empty; `served` is where its answers are counted by user."""
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.served = served
        self.response: _Counters = defaultdict(_counters)
        self.service: _Counters = defaultdict(_counters)
        self.failed: _Counters = defaultdict(_counters)
        self.service_ns = 0
        self.before_ns = 0
        """The part of it in which the second had not begun."""
        self.lag_ns = 0
        self.least_ns = NEVER_NS
        self.greatest_ns = -1


class Recorder:
    """Counts the requests of one process; times are CLOCK_MONOTONIC in ns."""

    def __init__(self, *, scheduled: bool = False) -> None:
        """`scheduled`: requests have an intended time, so service times are counted apart."""
        self.scheduled = scheduled
        self.window_start_ns = NEVER_NS
        self.window_end_ns = NEVER_NS
        self.sent = 0
        self.connections_opened = 0
        self.censored = 0
        self._delivered: int | None = 0
        self._thinking_ns = 0
        self._idle_lag = _counters()
        self._warmed: list[int] = []
        self._served: list[int] = []
        self._seconds: dict[int, _Second] = {}
        self._running = _Second(0, 0, self._warmed)
        """The second in which the last request ended; the next one's is nearly always the same."""
        self._in_flight_elsewhere: defaultdict[int, int] = defaultdict(int)
        """Time in flight by second, of requests that ended in another one, or never."""
        self._kinds: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._words: dict[str, str] = {}
        self._marks: defaultdict[str, int] = defaultdict(int)
        self._tls: defaultdict[str, int] = defaultdict(int)
        self.on_error: Callable[[str, int, str, str], None] | None = None
        """Called with the name, the response time in ns, the kind of error and its words."""

    def enrol(self) -> int:
        """Return the number of a new user."""
        self._warmed.append(0)
        self._served.append(0)
        return len(self._served) - 1

    def opened(self, agreement: str | None) -> None:
        """Count a connection, and what it agreed on where it is one by TLS."""
        self.connections_opened += 1
        if agreement is not None:
            self._tls[agreement] += 1

    def open_window(self, start_ns: int, end_ns: int) -> None:
        """Fix the window's edges; what ends before is warm-up."""
        self.window_start_ns = start_ns
        self.window_end_ns = end_ns

    def answered(
        self, user: int, name: str, intended_ns: int, sent_ns: int, ended_ns: int, error: str | None
    ) -> None:
        """Count a request that got an answer, or an error in place of one."""
        second = self._running
        if not second.start_ns <= ended_ns < second.end_ns:
            found = self._turn_to(ended_ns)
            if found is None:
                self._stay(sent_ns, ended_ns)
                return
            second = found
        response_ns = service_ns = ended_ns - sent_ns
        second.service_ns += service_ns
        if sent_ns < second.start_ns:
            second.before_ns += second.start_ns - sent_ns
            self._stay(sent_ns, second.start_ns)
        if intended_ns != sent_ns:
            response_ns = ended_ns - intended_ns
            second.lag_ns += sent_ns - intended_ns
        value_us = response_ns // 1000
        second.response[name][_STEPS[value_us] if value_us < _TABLED_US else index_of(value_us)] += 1
        second.served[user] += 1
        if response_ns < second.least_ns:
            second.least_ns = response_ns
        if response_ns > second.greatest_ns:
            second.greatest_ns = response_ns
        if self.scheduled:
            second.service[name][index_of(service_ns // 1000)] += 1
        if error is not None:
            second.failed[name][index_of(value_us)] += 1
            if ended_ns >= self.window_start_ns:
                self._kinds[name][error] += 1

    def sent_when_idle(self, intended_ns: int, sent_ns: int) -> None:
        """Count how late the generator itself was: the user had nothing else to wait for."""
        if self.window_start_ns <= intended_ns < self.window_end_ns:
            self._idle_lag[index_of((sent_ns - intended_ns) // 1000)] += 1

    def failed(
        self, user: int, name: str, intended_ns: int, sent_ns: int, ended_ns: int, kind: str, words: str
    ) -> None:
        """Count a request that did not get what it had to; the first of each kind is kept in words."""
        self.answered(user, name, intended_ns, sent_ns, ended_ns, kind)
        self.explain(kind, words)
        if self.on_error is not None:
            self.on_error(name, ended_ns - intended_ns, kind, words)

    def mark(self, ended_ns: int, word: str | None) -> None:
        """Count what an answer said of itself; it counts where the answer does."""
        if word is not None and self.window_start_ns <= ended_ns < self.window_end_ns:
            self._marks[word] += 1

    def explain(self, kind: str, words: str) -> None:
        """Keep the first error of each kind in words."""
        self._words.setdefault(kind, words)

    def thought(self, start_ns: int, end_ns: int) -> None:
        """Count a user's think time, clipped to the window."""
        clipped = min(end_ns, self.window_end_ns) - max(start_ns, self.window_start_ns)
        if clipped > 0:
            self._thinking_ns += clipped

    def add_delivered(self, pieces: int | None) -> None:
        """Count requests that the other side's kernel has taken; what is unknown once stays unknown."""
        self._delivered = None if self._delivered is None or pieces is None else self._delivered + pieces

    def gave_up(self, sent_ns: int, now_ns: int) -> None:
        """Count a request that was still unanswered when the drain ended."""
        self.censored += 1
        self._stay(sent_ns, now_ns)

    def _turn_to(self, moment_ns: int) -> _Second | None:
        """Return the second that a moment is in; None where nothing is counted, yet or any more."""
        start_ns, end_ns = self.window_start_ns, self.window_end_ns
        if start_ns == NEVER_NS or moment_ns >= end_ns:
            return None
        number = (moment_ns - start_ns) // SECOND_NS
        if number not in self._seconds:
            began_ns = start_ns + number * SECOND_NS
            served = self._warmed if number < 0 else self._served
            self._seconds[number] = _Second(began_ns, min(began_ns + SECOND_NS, end_ns), served)
        self._running = self._seconds[number]
        return self._running

    def _stay(self, sent_ns: int, ended_ns: int) -> None:
        """Add time in flight to the window's seconds; what lies outside of the window is cut off."""
        start_ns = self.window_start_ns
        begin = max(sent_ns, start_ns) - start_ns
        end = min(ended_ns, self.window_end_ns) - start_ns
        second = begin // SECOND_NS
        while begin < end:
            edge = min(end, (second + 1) * SECOND_NS)
            self._in_flight_elsewhere[second] += edge - begin
            begin, second = edge, second + 1

    def _in_flight(self, number: int) -> int:
        """Return the time in flight in ns within a second of the window."""
        second = self._seconds.get(number)
        own_ns = 0 if second is None or number < 0 else second.service_ns - second.before_ns
        return own_ns + self._in_flight_elsewhere.get(number, 0)

    def tally(self) -> Tally:
        """Return what has been counted, as a value."""
        window = [second for number, second in self._seconds.items() if number >= 0]
        service_sum_ns = sum(second.service_ns for second in window)
        lag_sum_ns = sum(second.lag_ns for second in window)
        in_flight = {n: self._in_flight(n) for n in sorted(self._seconds.keys() | self._in_flight_elsewhere)}
        return Tally(
            window_ns=self.window_end_ns - self.window_start_ns,
            names=self._names(self._seconds),
            served=tuple(self._served),
            sent=self.sent,
            connections_opened=self.connections_opened,
            censored=self.censored,
            response_sum_ns=service_sum_ns + lag_sum_ns,
            service_sum_ns=service_sum_ns,
            response_min_ns=min((second.least_ns for second in window), default=None),
            response_max_ns=max((second.greatest_ns for second in window), default=None),
            in_flight_ns=sum(in_flight.values()),
            thinking_ns=self._thinking_ns,
            lag_sum_ns=lag_sum_ns,
            idle_lag=_nonzero(self._idle_lag),
            in_flight_by_second={number: time_ns for number, time_ns in in_flight.items() if time_ns},
            words=dict(self._words),
            delivered=self._delivered,
            marks=dict(self._marks),
            tls=dict(self._tls),
        )

    def _names(self, numbers: Iterable[int]) -> dict[str, Named]:
        """Return the counts of some seconds by name."""
        chosen = [(number, self._seconds[number]) for number in sorted(numbers)]
        return {
            name: Named(
                {n: _nonzero(second.response[name]) for n, second in chosen if name in second.response},
                {n: _nonzero(second.service[name]) for n, second in chosen if name in second.service},
                dict(self._kinds[name]),
                {n: _nonzero(second.failed[name]) for n, second in chosen if name in second.failed},
            )
            for name in sorted({name for _, second in chosen for name in second.response})
        }

    def first_second(self) -> int | None:
        """Return the first second in which anything ended; None before that."""
        return min(self._seconds, default=None)

    def second(self, second: int) -> Tally:
        """Return one second alone, for the live display."""
        return Tally(
            window_ns=self.window_end_ns - self.window_start_ns,
            names=self._names({second} & self._seconds.keys()),
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
            in_flight_by_second={second: self._in_flight(second)},
        )


def _counters() -> list[int]:
    return [0] * SIZE


def _nonzero(counters: list[int]) -> Sparse:
    return {index: count for index, count in enumerate(counters) if count}
