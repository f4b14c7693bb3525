"""Leads a trial over one process or many: barrier, start, and the gathering of what was counted.

Locust decides who is master and who is worker, and carries the messages. The master (or the only
process) writes what the harness reads: events while the trial goes on, the record at its end.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gevent
import locust.runners
from gevent.event import Event
from pydantic import TypeAdapter

from harness.ground.histogram import write_log
from harness.ground.observations import Assignment, GeneratorRecord, Phases
from harness.loadgen.ensemble import GREETING, Ensemble, ProcessRecord
from harness.loadgen.mistakes import in_words, merge_mistakes
from harness.loadgen.tally import SECOND_NS, Tally, intervals, merge, seconds, share_of, totals

ASSIGNMENT = "WEBDYNO_ASSIGNMENT"
"""The environment variable that names the assignment's file."""
_ASSIGNED, _ARRIVED, _GO = "webdyno-assigned", "webdyno-arrived", "webdyno-go"
_SECOND, _DONE, _FAILED = "webdyno-second", "webdyno-done", "webdyno-failed"
_GATHERING_S = 5.0
"""How long the master waits for its workers' records, beside the drain's own bound."""
_ORPHANED_S = 3.0
"""A worker that has not heard of its master for so long ends; Locust's own bound is 60 s."""
_log = logging.getLogger(__name__)
_assignments = TypeAdapter(Assignment)
_records = TypeAdapter(ProcessRecord)
_tallies = TypeAdapter(Tally)


def install(environment: Any) -> Ensemble:
    """Give a Locust process its part; return its users' ensemble.

    A worker has its assignment from its master, by a message, so that it may be started anywhere.
    """
    _allow_descriptors()
    ensemble = Ensemble()
    runner, path = environment.runner, os.environ.get(ASSIGNMENT)
    if isinstance(runner, locust.runners.WorkerRunner):
        _follow_master(runner, ensemble)
    elif path is not None:
        assignment = _assignments.validate_json(Path(path).read_bytes())
        lead = _lead_workers if isinstance(runner, locust.runners.MasterRunner) else _lead_alone
        lead(runner, ensemble, assignment)
    return ensemble


def _allow_descriptors() -> None:
    """Raise the limit of open files as far as is permitted: Locust stops at 10 000, some users sooner."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        pass  # macOS refuses "unlimited"; Locust's own limit stands


class Leader:
    """Gathers what the processes say, and writes it down."""

    def __init__(self, assignment: Assignment, start: Callable[[], None]) -> None:
        """`start` makes all processes begin at once."""
        self._assignment = assignment
        self._processes = assignment.processes
        self._start = start
        self._out = Path(assignment.folder)
        self._arrived: dict[str, int] = {}
        self._all_here = Event()
        self._seconds: dict[int, list[Tally]] = {}
        self._records: dict[str, ProcessRecord] = {}
        self._all_done = Event()
        self._why: str | None = None
        self._workers_lost = 0

    def has_failed(self) -> bool:
        """Tell whether the trial was given up."""
        return self._why is not None

    def arrived(self, process: str, count: int) -> None:
        """Note how many users of a process have been answered."""
        self._arrived[process] = count
        if sum(self._arrived.values()) == self._assignment.load.users:
            self._all_here.set()

    def second(self, second: int, tally: Tally) -> None:
        """Pass on a second once all processes have told theirs."""
        told = self._seconds.setdefault(second, [])
        told.append(tally)
        if len(told) == self._processes:
            for row in seconds(merge(self._seconds.pop(second))):
                self._tell("second", **asdict(row))

    def done(self, process: str, record: ProcessRecord) -> None:
        """Note a process's record."""
        self._records[process] = record
        if len(self._records) == self._processes:
            self._all_done.set()

    def fail(self, why: str, *, workers_lost: int = 0) -> None:
        """Give the trial up; the first reason is kept."""
        if self._why is None:
            self._why, self._workers_lost = why, workers_lost
        self._all_here.set()
        self._all_done.set()

    def lose(self, workers: int) -> None:
        """Give the trial up: workers are lost, and with them what they counted."""
        self.fail(
            f"{workers} of {self._processes} workers of the load generator are lost", workers_lost=workers
        )

    def lead(self) -> None:
        """Lead the trial to its end, or to the reason why it has none."""
        with _failing(self.fail):
            self._lead()
        if self.has_failed():
            self._tell("failed", why=self._why, workers_lost=self._workers_lost)

    def _lead(self) -> None:
        timing = self._assignment.timing
        if not self._all_here.wait(timing.barrier_s):
            self.fail(self._who_is_missing())
        if self.has_failed():
            return
        barrier_ns = time.monotonic_ns()
        start_ns = barrier_ns + int(timing.warmup_s * SECOND_NS)
        end_ns = start_ns + int(timing.window_s * SECOND_NS)
        self._tell("barrier", barrier_ns=barrier_ns, window_start_ns=start_ns, window_end_ns=end_ns)
        self._start()
        if not self._all_done.wait(timing.warmup_s + timing.window_s + timing.drain_s + _GATHERING_S):
            self.lose(self._processes - len(self._records))
        if self.has_failed():
            return
        self._write(barrier_ns, start_ns, end_ns)
        self._tell("done")

    def _tell(self, event: str, **facts: object) -> None:
        with open(self._out / "events.jsonl", "a") as events:
            events.write(json.dumps({"event": event, **facts}) + "\n")

    def _write(self, barrier_ns: int, start_ns: int, end_ns: int) -> None:
        each = [_on_clock_of(barrier_ns, self._records[process]) for process in sorted(self._records)]
        phases = Phases(barrier_ns, start_ns, end_ns, max(record.drained_ns for record in each))
        tally = merge(record.tally for record in each)
        watch = tuple(
            replace(window, process=number) for number, record in enumerate(each) for window in record.watch
        )
        base_s = time.time() - (time.monotonic_ns() - phases.window_start_ns) / 1e9
        (self._out / "latency.hlog").write_text(write_log(intervals(tally), base_s))
        with open(self._out / "series.jsonl", "w") as series:
            series.writelines(json.dumps(asdict(row)) + "\n" for row in seconds(tally))
        mistakes = merge_mistakes(mistake for record in each for mistake in record.mistakes)
        shares = tuple(share_of(one.tally) for one in each)
        load = replace(totals(tally), mistakes=mistakes, by_process=shares)
        record = GeneratorRecord(phases, load, watch)
        (self._out / "load.json").write_bytes(TypeAdapter(GeneratorRecord).dump_json(record))

    def _who_is_missing(self) -> str:
        users = self._assignment.load.users
        return (
            f"the barrier was not reached: {users - sum(self._arrived.values())} of {users} users had no "
            f"answer to GET {GREETING} within {self._assignment.timing.barrier_s:g} s"
        )


def _on_clock_of(barrier_ns: int, record: ProcessRecord) -> ProcessRecord:
    """Return a process's record on the clock on which its barrier opened at a moment.

    Two hosts' monotonic clocks have nothing in common but their pace.
    """
    ahead_ns = barrier_ns - record.barrier_ns
    return replace(
        record,
        watch=tuple(
            replace(part, start_ns=part.start_ns + ahead_ns, end_ns=part.end_ns + ahead_ns)
            for part in record.watch
        ),
        barrier_ns=barrier_ns,
        drained_ns=record.drained_ns + ahead_ns,
    )


def _lead_alone(runner: Any, ensemble: Ensemble, assignment: Assignment) -> None:
    leader = Leader(assignment, lambda: _perform(ensemble, leader.second, lambda r: leader.done("0", r)))
    ensemble.assign(assignment)
    ensemble.fail = leader.fail

    arriving = gevent.spawn(_tell_arrivals, ensemble, lambda count: leader.arrived("0", count))
    gevent.spawn(_lead, runner, leader, arriving)


def _lead_workers(runner: Any, _: Ensemble, assignment: Assignment) -> None:
    expected = runner.environment.parsed_options.expect_workers
    assignment = replace(assignment, processes=expected)
    leader = Leader(assignment, lambda: runner.send_message(_GO))
    joined: set[str] = set()
    handlers: dict[str, Callable[[str, Any], object]] = {
        _ARRIVED: lambda process, data: leader.arrived(process, data["count"]),
        _SECOND: lambda _, data: leader.second(data["second"], _tallies.validate_json(data["tally"])),
        _DONE: lambda process, data: leader.done(process, _records.validate_json(data["record"])),
        _FAILED: lambda _, data: leader.fail(data["why"]),
    }
    for kind, handle in handlers.items():
        _on(runner, kind, handle, leader.fail)

    def join(client_id: str, **_: Any) -> None:
        joined.add(client_id)
        if len(joined) > expected:
            leader.fail(f"{len(joined)} workers joined where {expected} were expected: users would be moved")

    def assign(**_: Any) -> None:
        order = _assignments.dump_json(replace(assignment, folder="")).decode()
        runner.send_message(_ASSIGNED, {"assignment": order})

    runner.environment.events.worker_connect.add_listener(join)
    runner.environment.events.test_start.add_listener(assign)  # Locust fires it before it orders users

    gevent.spawn(_lead, runner, leader, gevent.spawn(_watch_workers, runner, leader))


def _lead(runner: Any, leader: Leader, beside: gevent.Greenlet) -> None:
    """Lead a trial to its end, with a greenlet beside; then end the process."""
    try:
        leader.lead()
    finally:  # whatever is raised: what has ended is not waited for
        beside.kill()
        runner.quit()


def _watch_workers(runner: Any, leader: Leader) -> None:
    """Give up as soon as Locust misses a worker that was there: it would respawn its users silently."""
    most = 0
    while not leader.has_failed():
        gevent.sleep(0.5)
        there = len(runner.clients) - len(runner.clients.missing)
        if there < most:
            leader.lose(most - there)
        most = max(most, there)


def _follow_master(runner: Any, ensemble: Ensemble) -> None:
    def take_on(_: str, data: Any) -> None:
        locust.runners.MASTER_HEARTBEAT_TIMEOUT = _ORPHANED_S
        ensemble.fail = fail
        ensemble.assign(_assignments.validate_json(data["assignment"]))
        gevent.spawn(_tell_arrivals, ensemble, lambda count: runner.send_message(_ARRIVED, {"count": count}))

    def tell_second(second: int, tally: Tally) -> None:
        told = _tallies.dump_json(tally).decode()
        runner.send_message(_SECOND, {"second": second, "tally": told})

    def tell_record(record: ProcessRecord) -> None:
        runner.send_message(_DONE, {"record": _records.dump_json(record).decode()})

    def fail(why: str) -> None:
        runner.send_message(_FAILED, {"why": why})

    _on(runner, _ASSIGNED, take_on, fail)
    _on(runner, _GO, lambda *_: _perform(ensemble, tell_second, tell_record), fail)


def _perform(
    ensemble: Ensemble, tell_second: Callable[[int, Tally], None], tell: Callable[[ProcessRecord], None]
) -> None:
    """Begin to perform, beside what else goes on; a failure is told at once."""
    barrier_ns = time.monotonic_ns()

    def perform() -> None:
        with _failing(ensemble.fail):
            tell(ensemble.perform(barrier_ns, tell_second))

    gevent.spawn(perform)


@contextmanager
def _failing(fail: Callable[[str], object]) -> Iterator[None]:
    """Give the trial up for whatever is raised: the harness would wait for as long as the phases may take."""
    try:
        yield
    except Exception as error:
        _log.exception("the load generator failed")
        fail(f"the load generator failed: {in_words(error)}")


def _on(runner: Any, kind: str, handle: Callable[[str, Any], object], fail: Callable[[str], object]) -> None:
    """Have a kind of message handled, with its sender's name and its data, in the order of arrival."""

    def listen(msg: Any, **_: Any) -> None:
        with _failing(fail):
            handle(msg.node_id, msg.data)

    runner.register_message(kind, listen)


def _tell_arrivals(ensemble: Ensemble, tell: Callable[[int], None]) -> None:
    told = 0
    while True:
        gevent.sleep(0.02)
        if ensemble.arrived != told:
            told = ensemble.arrived
            tell(told)
