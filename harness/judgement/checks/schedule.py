"""The rules of loads that follow a schedule, which the system under test and the generator have to keep."""

from __future__ import annotations

import math

from harness.ground.model import Finding, Severity
from harness.ground.observations import TrialRecord
from harness.judgement.rules import broken, unchecked


def rate_not_reached(record: TrialRecord) -> Finding | None:
    """`rate-not-reached`: the figure is what was answered in % of what was due, on average.

    How many are due in a window is left to chance, with a variance of at most that number (Poisson).
    """
    load, phases, rate_per_s = record.load, record.phases, record.cell.load.rate_per_s
    if load is None or phases is None or rate_per_s is None:
        return None
    due = rate_per_s * (phases.window_end_ns - phases.window_start_ns) / 1e9
    reached = load.requests >= 0.99 * due - 3 * math.sqrt(due)
    return None if reached else broken("rate-not-reached", 100 * load.requests / due)


def send_lag(record: TrialRecord) -> Finding | None:
    """`send-lag`: the figure is the mean lag in % of the mean response time, busy users' included.

    Where users still wait for an answer when their next request is due, it queues in the generator, and the
    system under test sees another load than the schedule's. A search for capacity goes on to where users
    wait; its bound is on the response time, which holds the lag.
    """
    load = record.load
    if load is None or record.cell.load.rate_per_s is None:
        return None
    if not load.response_sum_ns:
        return unchecked("send-lag", "no request was answered in the window")
    percent = 100 * (load.response_sum_ns - load.service_sum_ns) / load.response_sum_ns
    bound = "mean lag <= 10 % of the mean response time"
    severity: Severity = "warning" if record.cell.load.profile == "capacity" else "invalid"
    return broken("send-lag", percent, threshold=bound, severity=severity) if percent > 10 else None


def send_lag_of_idle_users(record: TrialRecord) -> Finding | None:
    """`send-lag`: the figure is the generator's own lag, in ms at p99."""
    load = record.load
    if load is None or record.cell.load.rate_per_s is None:
        return None
    if load.lag is None:
        return unchecked("send-lag", "no user was idle when a request was due")
    late_ms = load.lag.idle_p99_ns / 1e6
    bound = "p99 of idle users < 1 ms"
    return broken("send-lag", late_ms, threshold=bound, severity="warning") if late_ms >= 1 else None
