"""Pieces of fixed work beside a SUT: counted in the window, at the lowest priority, gone with who asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from parties import until

from harness.ground.observations import Phases, YardstickRecord
from harness.machine.piece import piece
from harness.machine.yardstick import Yardstick, pieces_within

as_on_linux = pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="no lowest priority outside Linux")
PHASES = Phases(barrier_ns=0, window_start_ns=100, window_end_ns=200, drained_ns=210)
OWNER = """
import sys, time
from harness.machine.yardstick import Yardstick
yardstick = Yardstick([int(sys.argv[1])])
print(yardstick.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def cpu() -> int:
    """Return a CPU that we may use."""
    return min(os.sched_getaffinity(0))


def gone(pid: int) -> bool:
    """Tell whether a process has ended, whoever is to reap it."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_piece_is_the_same_work_each_time() -> None:
    """Its answer holds ten lines, and never differs."""
    assert piece() == piece()
    assert piece().count("<li>") == 10


def test_pieces_count_that_were_done_in_the_window() -> None:
    """One done as the window begins counts, one done as it ends does not; without any nothing is told."""
    done = [99, 1, 100, 2, 150, 3, 199, 4, 200, 5]
    assert pieces_within(done, PHASES) == YardstickRecord(pieces=3, cpu_ns=9)
    assert pieces_within([99, 1, 200, 5], PHASES) is None
    assert pieces_within([], PHASES) is None


@as_on_linux
def test_what_it_did_is_told_at_its_end(cpu: int) -> None:
    """On one CPU, at the lowest priority, it works until it is stopped; the pieces' CPU time is theirs."""
    began_ns = time.monotonic_ns()
    yardstick = Yardstick([cpu])
    pid = yardstick.pid
    assert pid is not None
    try:
        assert until(lambda: os.sched_getscheduler(pid) == os.SCHED_IDLE)
        assert os.sched_getaffinity(pid) == {cpu}
        used = psutil.Process(pid).cpu_times()
        assert until(lambda: sum(psutil.Process(pid).cpu_times()[:2]) > sum(used[:2]) + 0.05)
    finally:
        yardstick.stop()
    ended_ns = time.monotonic_ns()
    assert gone(pid)
    told = yardstick.within(Phases(began_ns, began_ns, ended_ns, ended_ns))
    assert told is not None
    assert told.pieces > 20
    assert 20_000 < told.cpu_ns / told.pieces < 20_000_000
    assert (yardstick.pid, yardstick.within(PHASES)) == (None, None)


@as_on_linux
def test_it_ends_with_whoever_started_it(cpu: int) -> None:
    """After kill -9 of its owner, which can say nothing, it is gone."""
    root = Path(__file__).parents[2]
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(cpu)], stdout=subprocess.PIPE, cwd=root, text=True
    )
    try:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert not gone(pid)
    finally:
        owner.kill()
        owner.communicate()
    try:
        assert until(lambda: gone(pid), bound_s=20)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@as_on_linux
def test_a_yardstick_that_was_killed_tells_nothing(cpu: int) -> None:
    """Someone else's kill -9 costs its figure, and no more."""
    yardstick = Yardstick([cpu])
    assert yardstick.pid is not None
    os.kill(yardstick.pid, signal.SIGKILL)
    yardstick.stop()
    assert yardstick.within(Phases(0, 0, 2**62, 2**62)) is None


def test_there_is_none_where_there_is_no_place_for_it() -> None:
    """Without CPUs nothing is started; on one that can't be used nothing is told, and no error is raised."""
    nowhere, absent = Yardstick(()), Yardstick([4095])
    assert nowhere.pid is None
    for yardstick in (nowhere, absent):
        yardstick.stop()
        yardstick.stop()
        assert yardstick.within(Phases(0, 0, 2**62, 2**62)) is None
