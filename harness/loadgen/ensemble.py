"""The users of one process: they arrive, start together, and end together."""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import gevent
from gevent.event import Event

from harness.ground.observations import Assignment, Mistake, WatchWindow
from harness.loadgen.alarm import Alarm
from harness.loadgen.client import Client
from harness.loadgen.mistakes import Mistakes, with_place
from harness.loadgen.pump import Pump
from harness.loadgen.recorder import NEVER_NS, Recorder
from harness.loadgen.tally import SECOND_NS, Tally
from harness.loadgen.watch import Watch

_log = logging.getLogger(__name__)
GREETING = "/healthz"
"""What every user asks before the barrier opens: cheap, whatever the scenario costs."""


class Member(Protocol):
    """A user, as far as it is led."""

    client: Client

    def end(self) -> None:
        """Begin no further task."""


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """What one process has to say at its end."""

    tally: Tally
    watch: tuple[WatchWindow, ...]
    mistakes: tuple[Mistake, ...]
    barrier_ns: int
    """On this process's own clock, as all its times are."""
    drained_ns: int


class Ensemble:
    """One per process. Without an assignment there is no barrier and no end: users loop at once."""

    def __init__(self) -> None:
        self.assignment: Assignment | None = None
        self.pump = Pump(time.monotonic_ns)
        self.alarm = Alarm()
        self.recorder = Recorder()
        self.mistakes = Mistakes()
        self.fail: Callable[[str], object] = _log.error
        """Gives the trial up, for a reason."""
        self.stopping = False
        self.barrier_ns = 0
        self.arrived = 0
        self._members: list[Member] = []
        self._open = Event()

    def assign(self, assignment: Assignment) -> None:
        """Take on an assignment, before the first user is made."""
        take_precedence()
        self.assignment = assignment
        self.recorder.scheduled = assignment.load.rate_per_s is not None

    def enter(self, member: Member) -> None:
        """Take a user in, before it does anything; without an assignment all that it does is counted."""
        if self.assignment is not None:
            self._members.append(member)
        elif self.recorder.window_start_ns == NEVER_NS:
            self.recorder.open_window(time.monotonic_ns(), NEVER_NS)

    def arrive(self, member: Member) -> None:
        """Greet the SUT, then wait until everyone, in every process, has been answered."""
        if self.assignment is None:
            return
        while member.client.get(GREETING) is None:
            gevent.sleep(0.1)
        self.arrived += 1
        self._open.wait()

    def lose_member(self, error: Exception) -> None:
        """Give the trial up where a user ends before the barrier: it can't open any more."""
        if self.assignment is not None and not self._open.is_set():
            self.fail(f"a user could not start: {with_place(error)}")

    def perform(self, barrier_ns: int, tell_second: Callable[[int, Tally], None]) -> ProcessRecord:
        """Open the barrier, wait for the window's end, stop, drain; return what was counted."""
        assert self.assignment is not None, "it was assigned before its users arrived"
        timing = self.assignment.timing
        gc.collect()
        gc.freeze()  # a collection of what is here for good would stall everyone
        start_ns = barrier_ns + int(timing.warmup_s * SECOND_NS)
        end_ns = start_ns + int(timing.window_s * SECOND_NS)
        self.barrier_ns = barrier_ns
        self.recorder.open_window(start_ns, end_ns)
        watch = Watch(start_ns, end_ns)
        watching = gevent.spawn(watch.run)
        self._open.set()
        self._tell_each_second(start_ns, end_ns, tell_second)
        self.stopping = True
        for member in self._members:
            member.end()
        drained_ns = self._drain(timing.drain_s)
        watching.join(1)
        # From here to the tally nobody else runs: a user who ends meanwhile counts what it delivered, too.
        for member in self._members:
            member.client.count_delivered()
        return ProcessRecord(
            self.recorder.tally(), tuple(watch.windows), self.mistakes.found(), barrier_ns, drained_ns
        )

    def _tell_each_second(self, start_ns: int, end_ns: int, tell: Callable[[int, Tally], None]) -> None:
        """Tell of every second once it is over, until the window ends."""
        second = (time.monotonic_ns() - start_ns) // SECOND_NS
        while (now_ns := time.monotonic_ns()) < end_ns:
            gevent.sleep(max(0, min(end_ns, start_ns + (second + 1) * SECOND_NS) - now_ns) / 1e9)
            tell(second, self.recorder.second(second))
            second += 1

    def _drain(self, bound_s: float) -> int:
        """Wait until nothing is in flight, at most `bound_s`; return when that was."""
        limit_ns = time.monotonic_ns() + int(bound_s * SECOND_NS)
        while time.monotonic_ns() < limit_ns:
            if all(member.client.sent_ns is None for member in self._members):
                break
            gevent.sleep(0.005)
        now_ns = time.monotonic_ns()
        for member in self._members:
            if member.client.sent_ns is not None:
                member.client.give_up(now_ns)
        return now_ns


def take_precedence() -> bool:
    """Run this process before the services that share its CPU, where that is permitted (SCHED_RR).

    Without it a backing service on the generator's core delays the very clock that judges the SUT.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (AttributeError, OSError):  # not Linux, or not permitted
        return False
    return True
