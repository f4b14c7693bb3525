"""Whether a trial, a pair or a cell can be trusted: one pure function per rule, from records to findings.

A rule that could not be checked is told as a note whose remedy begins with `not checked`, never as good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pandas as pd

from harness.ground import stats
from harness.ground.model import Finding, Placement
from harness.ground.observations import LoadTotals, Phases, TrialRecord, WatchWindow
from harness.judgement.rules import (
    LEAST_SECONDS,
    MIN_BLOCKS,
    SHIFT_PERCENT,
    UNSTABLE_PERCENT,
    WIDE_BLOCKS,
    broken,
    unchecked,
)
from harness.judgement.schedule import rate_not_reached, send_lag, send_lag_of_idle_users

_Check = Callable[[TrialRecord], Finding | None]


def trial_findings(
    record: TrialRecord, placement: Placement, series: pd.DataFrame, ceiling_per_s: float | None = None
) -> tuple[Finding, ...]:
    """Return what the rules say about one trial; the rules about load need a window.

    `series` is the trial's load second by second; `ceiling_per_s` the generator's own against a null SUT with
    this scenario, None if not measured.
    """
    if trial_failed(record):
        found = [check(record) for check in _OF_EVERY_TRIAL]
    else:
        found = [check(record) for check in (*_OF_EVERY_TRIAL, *_OF_WINDOW)]
        found.append(generator_ceiling(record, ceiling_per_s))
        found += [host_processes(record, placement), host_steal(record)]
        found += dict.fromkeys(unsteady(series, column) for column in SHIFT_PERCENT)
    found.insert(0, overlap(placement))
    return tuple(finding for finding in found if finding is not None)


def is_valid(findings: Iterable[Finding]) -> bool:
    """Return whether a trial with these findings may enter a figure."""
    return all(finding.severity != "invalid" for finding in findings)


def trial_failed(record: TrialRecord) -> Finding | None:
    """`trial-failed`: there is no window, whatever the reason."""
    if record.failure is None and record.load is not None and record.phases is not None:
        return None
    return broken("trial-failed", None, reason=record.failure or "the record has no window")


def sut_crashed(record: TrialRecord) -> Finding | None:
    """`sut-crashed`: it ended before it was told to; the figure is its exit status."""
    return None if record.sut_exit is None else broken("sut-crashed", float(record.sut_exit))


def sut_restarted(record: TrialRecord) -> Finding | None:
    """`sut-restarted`: the figure is the number of its processes that ended while it lived."""
    if record.sut_exit is not None or record.failure is not None:
        return None
    if record.sut_lost is None:
        return unchecked("sut-restarted", "nobody looked at its processes before and after")
    return broken("sut-restarted", float(record.sut_lost)) if record.sut_lost else None


def oom_killed(record: TrialRecord) -> Finding | None:
    """`oom-killed`: by the kernel's own count, also where it came back."""
    if record.oom_kills is None:
        return unchecked("oom-killed", "the kernel's count of OOM kills can't be read here")
    return broken("oom-killed", float(record.oom_kills)) if record.oom_kills else None


def worker_lost(record: TrialRecord) -> Finding | None:
    """`worker-lost`: the figure is the number of generator processes that were lost."""
    return broken("worker-lost", float(record.workers_lost)) if record.workers_lost else None


def caps_not_enforced(record: TrialRecord) -> Finding | None:
    """`caps-not-enforced`: a cap could not be set."""
    return None if record.caps_enforced else broken("caps-not-enforced", None)


def overlap(placement: Placement) -> Finding | None:
    """`overlap`: two of the three parties share a CPU."""
    return broken("overlap", None) if placement.overlap else None


def slow_interpreter(record: TrialRecord) -> Finding | None:
    """`slow-interpreter`: built without optimisation."""
    if record.optimised is None:
        return unchecked("slow-interpreter", "how its interpreter was built is unknown")
    return None if record.optimised else broken("slow-interpreter", None)


def scenario_mistakes(record: TrialRecord) -> Finding | None:
    """`scenario-mistakes`: the figure is the number of exceptions; the most frequent is told."""
    mistakes = _window(record)[0].mistakes
    if not mistakes:
        return None
    worst = max(mistakes, key=lambda mistake: mistake.count)
    reason = f"{worst.words} ({worst.place}), {worst.count} times"
    return broken("scenario-mistakes", float(sum(one.count for one in mistakes)), reason=reason)


def errors(record: TrialRecord) -> Finding | None:
    """`errors`: wrong status, wrong body, time-out, reset; the figure is in % of requests."""
    load, _ = _window(record)
    percent = errors_percent(load)
    if percent is None:
        return unchecked("errors", "no request ended in the window")
    return broken("errors", percent) if percent > 0.1 else None


def starved_users(record: TrialRecord) -> Finding | None:
    """`starved-users`: the figure is the % of users without one answer in the window.

    A user of a schedule need not have a request due in the window: `rate-not-reached` looks at all of them.
    """
    load, _ = _window(record)
    if record.cell.load.profile == "rate":
        return None
    percent = 100 * (load.users - load.users_served) / load.users
    return broken("starved-users", percent) if percent > 1 else None


def window_short(record: TrialRecord) -> Finding | None:
    """`window-short`: the figure is the window over the mean response time."""
    times = _responses_in_window(record)
    if times is None:
        return unchecked("window-short", "no request was answered in the window")
    return broken("window-short", times) if times < 10 else None


def littles_law_of_time(record: TrialRecord) -> Finding | None:
    """`littles-law`: the users' time clipped to the window; the figure is the deviation in %.

    A closed system's users are at every moment waiting or thinking (Little, "A proof for the queuing
    formula L = λW", Operations Research 9(3), 1961), so what is missing was lost by the generator.
    """
    load, phases = _window(record)
    if record.cell.load.profile != "closed" or _why_no_law(record):
        return None
    users_ns = load.users * (phases.window_end_ns - phases.window_start_ns)
    off = 100 * abs((load.in_flight_ns + load.thinking_ns) / users_ns - 1)
    return broken("littles-law", off, threshold="within 1 % of users × window") if off > 1 else None


def littles_law_of_requests(record: TrialRecord) -> Finding | None:
    """`littles-law`: rate × (response + think time) of completed requests; the deviation in %."""
    load, phases = _window(record)
    if record.cell.load.profile != "closed":
        return None
    if reason := _why_no_law(record):
        return unchecked("littles-law", reason)
    users_ns = load.users * (phases.window_end_ns - phases.window_start_ns)
    off = 100 * abs((load.response_sum_ns + load.thinking_ns) / users_ns - 1)
    return broken("littles-law", off, threshold="X·(R+Z) within 3 % of users") if off > 3 else None


def generator_cpu(record: TrialRecord) -> Finding | None:
    """`generator-busy`: the figure is the greatest CPU share of 5 s, in % of a core."""
    watch = watch_in_window(record)
    if not watch:
        return unchecked("generator-busy", "the generator did not watch itself in the window")
    percent = 100 * max(one.cpu_share for one in watch)
    return broken("generator-busy", percent, threshold="< 80 % of its core") if percent >= 80 else None


def generator_wait(record: TrialRecord) -> Finding | None:
    """`generator-busy`: the figure is the greatest share of 5 s spent in the run queue, in %."""
    watch = watch_in_window(record)
    shares = [one.wait_share for one in watch if one.wait_share is not None]
    if len(shares) < len(watch):
        return unchecked("generator-busy", "the kernel keeps no schedstat, so waiting is unknown")
    percent = 100 * max(shares, default=0.0)
    return broken("generator-busy", percent, threshold="< 5 % in the run queue") if percent >= 5 else None


def generator_stall(record: TrialRecord) -> Finding | None:
    """`generator-stall`: the figure is the probe's greatest lateness in ms."""
    watch = watch_in_window(record)
    if not watch:
        return unchecked("generator-stall", "the generator did not watch itself in the window")
    late_ms = max(one.stall_max_ns for one in watch) / 1e6
    return broken("generator-stall", late_ms) if late_ms > 100 else None


def generator_ceiling(record: TrialRecord, ceiling_per_s: float | None) -> Finding | None:
    """`generator-ceiling`: the figure is the ceiling over the trial's rate."""
    load, phases = _window(record)
    if ceiling_per_s is None:
        return unchecked("generator-ceiling", "the generator was not calibrated with this scenario")
    if not load.requests:
        return None
    rate = load.requests * 1e9 / (phases.window_end_ns - phases.window_start_ns)
    return broken("generator-ceiling", ceiling_per_s / rate) if ceiling_per_s < 2 * rate else None


def host_processes(record: TrialRecord, placement: Placement) -> Finding | None:
    """`host-noise`: the figure is what other processes used, in % of the SUT's CPUs; an upper bound."""
    host = record.host
    if host is None or not host.elapsed_ns:
        return unchecked("host-noise", "other processes can't be looked at here")
    percent = 100 * host.foreign_ns / (host.elapsed_ns * len(placement.sut_cpus))
    if percent <= 5:
        return None
    reason = f"most of it by {host.foreign_most or 'an unknown process'}"
    return broken("host-noise", percent, threshold="<= 5 % of the SUT's CPUs", reason=reason)


def host_steal(record: TrialRecord) -> Finding | None:
    """`host-noise`: the figure is the stolen time of the CPU that lost most, in %."""
    host = record.host
    if host is None or host.steal_ns is None or not host.elapsed_ns:
        return unchecked("host-noise", "stolen time can't be read here")
    percent = 100 * host.steal_ns / host.elapsed_ns
    return broken("host-noise", percent, threshold="<= 1 % stolen") if percent > 1 else None


def unsteady(series: pd.DataFrame, column: str) -> Finding | None:
    """`unsteady`: the figure is the greatest distance of a level from the last one, in % of the mean."""
    window = series[series["second"] >= 0] if len(series) else series
    values = [float(value) for value in window[column].dropna()] if len(window) else []
    what, bound = column.replace("_", " "), SHIFT_PERCENT[column]
    if len(values) < LEAST_SECONDS:
        return unchecked("unsteady", f"a window of fewer than {LEAST_SECONDS} seconds shows no level")
    percent = 100 * stats.level_shift(values)
    return broken("unsteady", percent, threshold=f"{what}: <= {bound:g} %") if percent > bound else None


def connection_churn(record: TrialRecord) -> Finding | None:
    """`connection-churn`: the figure is the number of connections opened in the whole trial."""
    load, _ = _window(record)
    return broken("connection-churn", float(load.connections_opened)) if churned(load) else None


def few_blocks(blocks: int) -> Finding | None:
    """`few-blocks`: the figure is the number of blocks with a valid trial."""
    if blocks >= WIDE_BLOCKS:
        return None
    bound = (
        f">= {MIN_BLOCKS} for a verdict" if blocks < MIN_BLOCKS else f">= {WIDE_BLOCKS} for narrow intervals"
    )
    return broken("few-blocks", float(blocks), threshold=bound)


def aa_differs(ratio: float, low: float | None, high: float | None) -> Finding | None:
    """`aa-differs`: the figure is the distance of the A/A pair's ratio from 1, in %."""
    if low is None or high is None:
        return unchecked("aa-differs", "one block gives the A/A pair no interval")
    return broken("aa-differs", 100 * abs(ratio - 1)) if not low <= 1 <= high else None


def unstable(variation: float | None) -> Finding | None:
    """`unstable`: `variation` is a fraction; the figure is in %."""
    if variation is None:
        return unchecked("unstable", "fewer than two blocks show no variation")
    percent = 100 * variation
    return broken("unstable", percent) if percent >= UNSTABLE_PERCENT else None


def errors_percent(load: LoadTotals) -> float | None:
    """Return errors in % of requests, those never answered included; None where nothing was sent."""
    ended = load.requests + load.censored
    return 100 * (load.errors + load.censored) / ended if ended else None


def churned(load: LoadTotals) -> bool:
    """Return whether users opened more connections than one each."""
    return load.connections_opened > load.users


def watch_in_window(record: TrialRecord) -> tuple[WatchWindow, ...]:
    """Return the generator's watch windows of which at least half lies in the measurement window."""
    phases = record.phases
    if phases is None:
        return ()

    def inside(one: WatchWindow) -> bool:
        common = min(one.end_ns, phases.window_end_ns) - max(one.start_ns, phases.window_start_ns)
        return common > 0 and 2 * common >= one.end_ns - one.start_ns

    return tuple(one for one in record.watch if inside(one))


def _window(record: TrialRecord) -> tuple[LoadTotals, Phases]:
    assert record.load is not None, "the rules about load are asked of trials with a window alone"
    assert record.phases is not None, "likewise"
    return record.load, record.phases


def _responses_in_window(record: TrialRecord) -> float | None:
    load, phases = _window(record)
    if not load.requests or not load.response_sum_ns:
        return None
    return (phases.window_end_ns - phases.window_start_ns) / (load.response_sum_ns / load.requests)


def _why_no_law(record: TrialRecord) -> str:
    times = _responses_in_window(record)
    if times is None:
        return "no request was answered in the window"
    return "the window is short beside a response time" if times < 10 else ""


_OF_EVERY_TRIAL: tuple[_Check, ...] = (
    trial_failed,
    sut_crashed,
    sut_restarted,
    oom_killed,
    worker_lost,
    caps_not_enforced,
    slow_interpreter,
)
_OF_WINDOW: tuple[_Check, ...] = (
    scenario_mistakes,
    errors,
    starved_users,
    window_short,
    littles_law_of_time,
    littles_law_of_requests,
    rate_not_reached,
    send_lag,
    send_lag_of_idle_users,
    generator_cpu,
    generator_wait,
    generator_stall,
    connection_churn,
)
