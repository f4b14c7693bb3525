"""Leads the users of one generator process through a trial: barrier, warm-up, window, drain.

Without an assignment (a scenario run by hand with Locust) there is no barrier and no end: users loop
at once, and the window opens with the first of them.
"""

from __future__ import annotations

import gc
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import gevent
from gevent.event import Event
from pydantic import TypeAdapter

from harness.ground.histogram import write_log
from harness.ground.observations import Assignment, GeneratorRecord, Phases
from harness.loadgen.client import Client
from harness.loadgen.pump import Pump
from harness.loadgen.recorder import Recorder
from harness.loadgen.watch import Watch

ASSIGNMENT = "WEBDYNO_ASSIGNMENT"
"""The environment variable that names the assignment's file."""
GREETING = "/healthz"
"""What every user asks before the barrier opens: cheap, whatever the scenario costs."""

_NEVER = 1 << 62


class Led(Protocol):
    """A user, as far as it is led."""

    client: Client


class Conductor:
    """One per process; all users arrive here before they loop."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        path = os.environ.get(ASSIGNMENT)
        self.assignment = None if path is None else _read(path)
        self.pump = Pump(time.monotonic_ns)
        self.recorder = Recorder()
        self.stopping = False
        self._users: list[Led] = []
        self._arrived = 0
        self._all_here = Event()
        self._open = Event()
        if self.assignment is not None:
            take_precedence()
            gevent.spawn(self._lead, self.assignment)

    def arrive(self, user: Led) -> None:
        """Greet the SUT, then wait until everyone has been answered."""
        if self.assignment is None:
            if self.recorder.window_start_ns == _NEVER:
                self.recorder.opens_window(time.monotonic_ns(), _NEVER)
            return
        self._users.append(user)
        while user.client.get(GREETING) is None:
            gevent.sleep(0.1)
        self._arrived += 1
        if self._arrived == self.assignment.users:
            self._all_here.set()
        self._open.wait()

    def _lead(self, assignment: Assignment) -> None:
        out = Path(assignment.folder)
        timing = assignment.timing
        with open(out / "events.jsonl", "a", buffering=1) as events:

            def tell(event: str, **facts: object) -> None:
                events.write(json.dumps({"event": event, **facts}) + "\n")

            if not self._all_here.wait(timing.barrier_s):
                tell("failed", why=self._who_is_missing(assignment))
                self._environment.runner.quit()
                return
            gc.collect()
            gc.freeze()
            barrier_ns = time.monotonic_ns()
            start_ns = barrier_ns + int(timing.warmup_s * 1e9)
            end_ns = start_ns + int(timing.window_s * 1e9)
            self.recorder.opens_window(start_ns, end_ns)
            watch = Watch(start_ns, end_ns)
            watching = gevent.spawn(watch.run)
            tell("barrier", barrier_ns=barrier_ns, window_start_ns=start_ns, window_end_ns=end_ns)
            self._open.set()
            self._report_each_second(start_ns, end_ns, tell)
            self.stopping = True
            drained_ns = self._drain(timing.drain_s)
            watching.join(1)
            tell("drained", drained_ns=drained_ns)
            phases = Phases(barrier_ns, start_ns, end_ns, drained_ns)
            self._write(out, GeneratorRecord(phases, self.recorder.totals(), tuple(watch.windows)))
            tell("done")
        self._environment.runner.quit()

    def _report_each_second(self, start_ns: int, end_ns: int, tell: Any) -> None:
        """Tell of every whole second once it is over, until the window ends."""
        second = (time.monotonic_ns() - start_ns) // 1_000_000_000
        while (now_ns := time.monotonic_ns()) < end_ns:
            gevent.sleep((min(end_ns, start_ns + (second + 1) * 1_000_000_000) - now_ns) / 1e9)
            tell("second", **asdict(self.recorder.second(second)))
            second += 1

    def _drain(self, bound_s: float) -> int:
        """Wait until nothing is in flight, at most `bound_s`; return when that was."""
        limit_ns = time.monotonic_ns() + int(bound_s * 1e9)
        while time.monotonic_ns() < limit_ns:
            if all(user.client.sent_ns is None for user in self._users):
                break
            gevent.sleep(0.005)
        now_ns = time.monotonic_ns()
        for user in self._users:
            if user.client.sent_ns is not None:
                self.recorder.gave_up(user.client.sent_ns, now_ns)
        return now_ns

    def _write(self, out: Path, record: GeneratorRecord) -> None:
        base_s = time.time() - (time.monotonic_ns() - record.phases.window_start_ns) / 1e9
        (out / "latency.hlog").write_text(write_log(self.recorder.intervals(), base_s))
        with open(out / "series.jsonl", "w") as series:
            series.writelines(json.dumps(asdict(row)) + "\n" for row in self.recorder.seconds())
        (out / "load.json").write_bytes(TypeAdapter(GeneratorRecord).dump_json(record))

    def _who_is_missing(self, assignment: Assignment) -> str:
        errors = "; ".join(self.recorder.totals().first_errors)
        return (
            f"{assignment.users - self._arrived} of {assignment.users} users had no answer to GET "
            f"{GREETING} within {assignment.timing.barrier_s:g} s" + (f" ({errors})" if errors else "")
        )


def take_precedence() -> bool:
    """Run this process before the services that share its CPU, where that is permitted (SCHED_RR).

    Without it a backing service on the generator's core delays the very clock that judges the SUT.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (AttributeError, OSError):  # not Linux, or not permitted
        return False
    return True


def _read(path: str) -> Assignment:
    return TypeAdapter(Assignment).validate_json(Path(path).read_bytes())
