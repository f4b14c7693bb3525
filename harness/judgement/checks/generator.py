"""The rules that the load generator has to keep."""

from __future__ import annotations

import math

from harness.ground.model import Finding
from harness.ground.observations import TrialRecord
from harness.judgement.checks.window import watch_in_window, window_of
from harness.judgement.rules import broken, unchecked


def worker_lost(record: TrialRecord) -> Finding | None:
    """`worker-lost`: the figure is the number of generator processes that were lost."""
    return broken("worker-lost", float(record.workers_lost)) if record.workers_lost else None


def worker_imbalance(record: TrialRecord) -> Finding | None:
    """`worker-imbalance`: the figure is the greatest distance of a process from all, in requests per user.

    It is in % of the mean. Of few requests chance leaves a process more or fewer than its share, with a
    variance of at most that number (Poisson).
    """
    processes = window_of(record)[0].by_process
    if not processes:
        return unchecked("worker-imbalance", "the record does not tell the generator's processes apart")
    if len(processes) == 1:
        return unchecked("worker-imbalance", "the generator was a single process")
    requests, users = sum(one.requests for one in processes), sum(one.users for one in processes)
    if not requests:
        return unchecked("worker-imbalance", "no request was answered in the window")
    worst = 0.0
    for one in processes:
        due = requests * one.users / users
        off = abs(one.requests - due)
        if off > max(0.1 * due, 3 * math.sqrt(due)):
            worst = max(worst, 100 * off / due)
    return broken("worker-imbalance", worst) if worst else None


def cpu(record: TrialRecord) -> Finding | None:
    """`generator-busy`: the figure is the greatest CPU share of 5 s, in % of a core."""
    watch = watch_in_window(record)
    if not watch:
        return unchecked("generator-busy", "the generator did not watch itself in the window")
    percent = 100 * max(one.cpu_share for one in watch)
    return broken("generator-busy", percent, threshold="< 80 % of its core") if percent >= 80 else None


def waiting(record: TrialRecord) -> Finding | None:
    """`generator-busy`: the figure is the greatest share of 5 s spent in the run queue, in %."""
    watch = watch_in_window(record)
    shares = [one.wait_share for one in watch if one.wait_share is not None]
    if len(shares) < len(watch):
        return unchecked("generator-busy", "the kernel keeps no schedstat, so waiting is unknown")
    percent = 100 * max(shares, default=0.0)
    return broken("generator-busy", percent, threshold="< 5 % in the run queue") if percent >= 5 else None


def stall(record: TrialRecord) -> Finding | None:
    """`generator-stall`: the figure is the probe's greatest lateness in ms."""
    watch = watch_in_window(record)
    if not watch:
        return unchecked("generator-stall", "the generator did not watch itself in the window")
    late_ms = max(one.stall_max_ns for one in watch) / 1e6
    return broken("generator-stall", late_ms) if late_ms > 100 else None


def ceiling(record: TrialRecord, ceiling_per_s: float | None) -> Finding | None:
    """`generator-ceiling`: the figure is the ceiling over the trial's rate."""
    load, phases = window_of(record)
    if ceiling_per_s is None:
        return unchecked("generator-ceiling", "the generator was not calibrated with this scenario")
    if not load.requests:
        return None
    rate = load.requests * 1e9 / (phases.window_end_ns - phases.window_start_ns)
    return broken("generator-ceiling", ceiling_per_s / rate) if ceiling_per_s < 2 * rate else None
