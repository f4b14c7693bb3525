"""Keeps Locust's own statistics right, for its web UI, CSV files, tables and distributed reports.

Locust counts each request in an event; that costs more than the request. Here whole seconds of our
own counters are added to its entries once they are over. Errors go through `events.request`, and Locust
counts these itself. Answers are told to listeners too, but only to those beside Locust's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import gevent
import locust.runners
from locust.event import EventHook
from locust.stats import CSV_STATS_INTERVAL_SEC, bucket_response_time

from harness.ground.histogram import value_of
from harness.loadgen.http import Response
from harness.loadgen.recorder import NEVER_NS, Recorder
from harness.loadgen.tally import SECOND_NS, Tally


class RequestFailed(Exception):
    """What a failed request is to Locust: the kind of error, and its words."""


class Bookkeeper:
    """Keeps one environment's statistics in step with one recorder."""

    def __init__(self, environment: Any, recorder: Recorder) -> None:
        """Begin to report errors and to keep the statistics right."""
        self._environment = environment
        self._recorder = recorder
        self._next: int | None = None
        recorder.on_error = self._report
        events = environment.events
        events.report_to_master.add_listener(lambda **_: self.flush())
        events.test_stop.add_listener(lambda **_: self.flush(all_of_it=True))
        events.quitting.add_listener(lambda **_: self._await_csv())
        gevent.spawn(self._keep)

    def flush(self, *, all_of_it: bool = False) -> None:
        """Add the seconds that are over; the running one too where nothing more will come."""
        start_ns = self._recorder.window_start_ns
        first = self._recorder.first_second()
        if start_ns == NEVER_NS or first is None:
            return
        running = (time.monotonic_ns() - start_ns) // SECOND_NS
        self._next = first if self._next is None else self._next
        while self._next < running + all_of_it:
            began_s = time.time() - (time.monotonic_ns() - start_ns) / SECOND_NS + self._next
            add(self._environment.runner.stats, self._recorder.second(self._next), began_s)
            self._next += 1

    def _keep(self) -> None:
        while True:
            gevent.sleep(0.5)
            self.flush()

    def _await_csv(self) -> None:
        """Have the CSV files written once more: Locust ends between two turns, without the last counts."""
        options = self._environment.parsed_options
        if options is not None and options.csv_prefix and not options.worker:
            self._environment.runner.quit()
            gevent.sleep(CSV_STATS_INTERVAL_SEC + 0.1)

    def _report(self, name: str, response_ns: int, kind: str, words: str) -> None:
        self._environment.events.request.fire(
            **_facts(name, response_ns), exception=RequestFailed(f"{kind}: {words}")
        )


def teller(environment: Any) -> Callable[[str, int, Response], None] | None:
    """Return what tells listeners of `events.request` of an answer; None where only Locust's own listens."""
    others = EventHook()
    for listener in environment.events.request._handlers:
        if getattr(listener, "__module__", None) != locust.runners.__name__:
            others.add_listener(listener)
    if not others._handlers:
        return None
    return lambda name, response_ns, response: others.fire(
        **_facts(name, response_ns, response), exception=None
    )


def _facts(name: str, response_ns: int, response: Response | None = None) -> dict[str, Any]:
    """Return what listeners of Locust are told of a request."""
    return {
        "request_type": "",
        "name": name,
        "response_time": response_ns / 1e6,
        "response_length": 0 if response is None else len(response.body),
        "response": response,
        "context": {},
        "start_time": time.time() - response_ns / 1e9,
    }


def add(stats: Any, second: Tally, began_s: float) -> None:
    """Add one second's successes to a `RequestStats`; `began_s` is Unix time."""
    for name, named in second.names.items():
        ((number, counts),) = named.response.items()
        failed = named.failed.get(number, {})
        succeeded = {i: n - failed.get(i, 0) for i, n in counts.items() if n > failed.get(i, 0)}
        if succeeded:
            for entry in (stats.get(name, ""), stats.total):
                _add(entry, succeeded, began_s)


def _add(entry: Any, counts: Mapping[int, int], began_s: float) -> None:
    before_s = entry.last_request_timestamp
    if entry.use_response_times_cache and before_s and int(began_s) > int(before_s):
        entry._cache_response_times(int(began_s) - 1)  # as Locust does when a second is over
    entry.start_time = min(entry.start_time, began_s)
    entry.last_request_timestamp = began_s
    for index, count in counts.items():
        time_ms = value_of(index) / 1000
        entry.num_requests += count
        entry.num_reqs_per_sec[int(began_s)] += count
        entry.total_response_time += time_ms * count
        entry.response_times[bucket_response_time(time_ms)] += count
        entry.max_response_time = max(entry.max_response_time, time_ms)
        least = entry.min_response_time
        entry.min_response_time = time_ms if least is None else min(least, time_ms)
