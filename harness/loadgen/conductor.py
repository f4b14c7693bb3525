"""Leads a trial over one process or many: barrier, start, and the gathering of what was counted.

Locust decides who is master and who is worker, and carries the messages. The master (or the only
process) writes what the harness reads: events while the trial goes on, the record at its end.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gevent
import locust.runners
from gevent.event import Event
from pydantic import TypeAdapter

from harness.ground.histogram import write_log
from harness.ground.observations import Assignment, GeneratorRecord, Phases
from harness.loadgen.ensemble import GREETING, Ensemble, ProcessRecord, take_precedence
from harness.loadgen.tally import SECOND_NS, Tally, intervals, merge, seconds, totals

ASSIGNMENT = "WEBDYNO_ASSIGNMENT"
"""The environment variable that names the assignment's file."""
_ARRIVED, _GO, _SECOND, _DONE = "webdyno-arrived", "webdyno-go", "webdyno-second", "webdyno-done"
_GATHERING_S = 5.0
"""How long the master waits for its workers' records, beside the drain's own bound."""
_ORPHANED_S = 4.0
"""A worker that has not heard of its master for so long ends; Locust's own bound is 60 s."""
_records = TypeAdapter(ProcessRecord)
_tallies = TypeAdapter(Tally)


def install(environment: Any) -> Ensemble:
    """Give a Locust process its part; return its users' ensemble."""
    _allow_descriptors()
    path = os.environ.get(ASSIGNMENT)
    assignment = None if path is None else TypeAdapter(Assignment).validate_json(Path(path).read_bytes())
    ensemble = Ensemble(assignment)
    if assignment is None:
        return ensemble
    runner = environment.runner
    if isinstance(runner, locust.runners.MasterRunner):
        _lead_workers(runner, assignment)
    elif isinstance(runner, locust.runners.WorkerRunner):
        take_precedence()
        _follow_master(runner, ensemble, assignment)
    else:
        take_precedence()
        _lead_alone(runner, ensemble, assignment)
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

    def __init__(self, assignment: Assignment, processes: int, start: Callable[[int], None]) -> None:
        """`start` makes all processes begin at a moment on CLOCK_MONOTONIC."""
        self._assignment = assignment
        self._processes = processes
        self._start = start
        self._out = Path(assignment.folder)
        self._events = open(self._out / "events.jsonl", "a", buffering=1)  # noqa: SIM115 - open to the end
        self._arrived: dict[str, int] = {}
        self._all_here = Event()
        self._seconds: dict[int, list[Tally]] = {}
        self._records: dict[str, ProcessRecord] = {}
        self._all_done = Event()
        self.lost: str | None = None

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

    def lose(self, why: str) -> None:
        """Give the trial up: a process is lost, and with it what it counted."""
        self.lost = why
        self._all_here.set()
        self._all_done.set()

    def lead(self) -> None:
        """Lead the trial to its end, or to the reason why it has none."""
        timing = self._assignment.timing
        here = self._all_here.wait(timing.barrier_s)
        if not here or self.lost:
            self._tell("failed", why=self.lost or self._who_is_missing())
            return
        barrier_ns = time.monotonic_ns()
        start_ns = barrier_ns + int(timing.warmup_s * SECOND_NS)
        end_ns = start_ns + int(timing.window_s * SECOND_NS)
        self._tell("barrier", barrier_ns=barrier_ns, window_start_ns=start_ns, window_end_ns=end_ns)
        self._start(barrier_ns)
        gathered = self._all_done.wait(timing.warmup_s + timing.window_s + timing.drain_s + _GATHERING_S)
        if self.lost or not gathered:
            missing = self._processes - len(self._records)
            self._tell("failed", why=self.lost or f"worker-lost: {missing} of {self._processes} workers")
            return
        drained_ns = max(record.drained_ns for record in self._records.values())
        self._write(Phases(barrier_ns, start_ns, end_ns, drained_ns))
        self._tell("done")

    def _tell(self, event: str, **facts: object) -> None:
        self._events.write(json.dumps({"event": event, **facts}) + "\n")

    def _write(self, phases: Phases) -> None:
        each = [self._records[process] for process in sorted(self._records)]
        tally = merge(record.tally for record in each)
        watch = tuple(
            replace(window, process=number) for number, record in enumerate(each) for window in record.watch
        )
        base_s = time.time() - (time.monotonic_ns() - phases.window_start_ns) / 1e9
        (self._out / "latency.hlog").write_text(write_log(intervals(tally), base_s))
        with open(self._out / "series.jsonl", "w") as series:
            series.writelines(json.dumps(asdict(row)) + "\n" for row in seconds(tally))
        record = GeneratorRecord(phases, totals(tally), watch)
        (self._out / "load.json").write_bytes(TypeAdapter(GeneratorRecord).dump_json(record))

    def _who_is_missing(self) -> str:
        users = self._assignment.load.users
        return (
            f"{users - sum(self._arrived.values())} of {users} users had no answer to GET {GREETING} "
            f"within {self._assignment.timing.barrier_s:g} s"
        )


def _lead_alone(runner: Any, ensemble: Ensemble, assignment: Assignment) -> None:
    leader = Leader(assignment, 1, lambda barrier_ns: gevent.spawn(perform, barrier_ns))

    def perform(barrier_ns: int) -> None:
        leader.done("0", ensemble.perform(assignment, barrier_ns, leader.second))

    def lead() -> None:
        arriving = gevent.spawn(_tell_arrivals, ensemble, lambda count: leader.arrived("0", count))
        leader.lead()
        arriving.kill()
        runner.quit()

    gevent.spawn(lead)


def _lead_workers(runner: Any, assignment: Assignment) -> None:
    def start(barrier_ns: int) -> None:
        runner.send_message(_GO, {"barrier_ns": barrier_ns})

    leader = Leader(assignment, runner.environment.parsed_options.expect_workers, start)
    _on(runner, _ARRIVED, lambda process, data: leader.arrived(process, data["count"]))
    _on(runner, _SECOND, lambda _, data: leader.second(data["second"], _tallies.validate_json(data["tally"])))
    _on(runner, _DONE, lambda process, data: leader.done(process, _records.validate_json(data["record"])))

    def lead() -> None:
        watching = gevent.spawn(_watch_workers, runner, leader)
        leader.lead()
        watching.kill()
        runner.quit()

    gevent.spawn(lead)


def _watch_workers(runner: Any, leader: Leader) -> None:
    """Give up as soon as Locust misses a worker that was there: it would respawn its users silently."""
    most = 0
    while leader.lost is None:
        gevent.sleep(0.5)
        there = len(runner.clients) - len(runner.clients.missing)
        if there < most:
            leader.lose(f"worker-lost: {most - there} of {most} workers")
        most = max(most, there)


def _follow_master(runner: Any, ensemble: Ensemble, assignment: Assignment) -> None:
    locust.runners.MASTER_HEARTBEAT_TIMEOUT = _ORPHANED_S

    def tell_second(second: int, tally: Tally) -> None:
        told = _tallies.dump_json(tally).decode()
        runner.send_message(_SECOND, {"second": second, "tally": told})

    def perform(barrier_ns: int) -> None:
        record = ensemble.perform(assignment, barrier_ns, tell_second)
        runner.send_message(_DONE, {"record": _records.dump_json(record).decode()})

    _on(runner, _GO, lambda _, data: gevent.spawn(perform, data["barrier_ns"]))
    gevent.spawn(_tell_arrivals, ensemble, lambda count: runner.send_message(_ARRIVED, {"count": count}))


def _on(runner: Any, kind: str, handle: Callable[[str, Any], object]) -> None:
    """Have a kind of message handled, with its sender's name and its data, in the order of arrival."""
    runner.register_message(kind, lambda msg, **_: handle(msg.node_id, msg.data))


def _tell_arrivals(ensemble: Ensemble, tell: Callable[[int], None]) -> None:
    told = 0
    while True:
        gevent.sleep(0.02)
        if ensemble.arrived != told:
            told = ensemble.arrived
            tell(told)
