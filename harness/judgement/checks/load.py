"""The rules about requests, answers and users."""

from __future__ import annotations

import math

from harness.ground import stats
from harness.ground.model import Finding
from harness.ground.observations import TrialRecord
from harness.judgement.checks.window import (
    churned,
    errors_percent,
    generator_cpu_ns,
    hit_share,
    responses_in_window,
    window_of,
)
from harness.judgement.rules import HIT_POINTS, LEAST_SECONDS, SHIFT_PERCENT, broken, unchecked
from harness.records.run import Columns


def errors(record: TrialRecord) -> Finding | None:
    """`errors`: wrong status, wrong body, time-out, reset; the figure is in % of requests."""
    load, _ = window_of(record)
    percent = errors_percent(load)
    if percent is None:
        return unchecked("errors", "no request ended in the window")
    return broken("errors", percent) if percent > 0.1 else None


def scenario_mistakes(record: TrialRecord) -> Finding | None:
    """`scenario-mistakes`: the figure is the number of exceptions; the most frequent is told."""
    mistakes = window_of(record)[0].mistakes
    if not mistakes:
        return None
    worst = max(mistakes, key=lambda mistake: mistake.count)
    reason = f"{worst.words} ({worst.place}), {worst.count} times"
    return broken("scenario-mistakes", float(sum(one.count for one in mistakes)), reason=reason)


def starved_users(record: TrialRecord) -> Finding | None:
    """`starved-users`: the figure is the % of users without one answer in the window.

    A user of a schedule need not have a request due in the window: `rate-not-reached` looks at all of them.
    """
    load, _ = window_of(record)
    if record.cell.load.rate_per_s is not None:
        return None
    percent = 100 * (load.users - load.users_served) / load.users
    return broken("starved-users", percent) if percent > 1 else None


def window_short(record: TrialRecord) -> Finding | None:
    """`window-short`: the figure is the window over the mean response time."""
    times = responses_in_window(record)
    if times is None:
        return unchecked("window-short", "no request was answered in the window")
    return broken("window-short", times) if times < 10 else None


def littles_law_of_time(record: TrialRecord) -> Finding | None:
    """`littles-law`: the users' time clipped to the window; the figure is the deviation in %.

    A closed system's users are at every moment waiting or thinking (Little, "A proof for the queuing
    formula L = λW", Operations Research 9(3), 1961), so what is missing was lost by the generator.
    """
    load, phases = window_of(record)
    if record.cell.load.profile != "closed" or _why_no_law(record):
        return None
    users_ns = load.users * (phases.window_end_ns - phases.window_start_ns)
    off = 100 * ((load.in_flight_ns + load.thinking_ns) / users_ns - 1)
    most = "within 1 % of users × window, or no more lost than the generator's CPU time"
    return broken("littles-law", abs(off), threshold=most) if _is_off(off, 1, record, users_ns) else None


def littles_law_of_requests(record: TrialRecord) -> Finding | None:
    """`littles-law`: rate × (response + think time) of completed requests; the deviation in %."""
    load, phases = window_of(record)
    if record.cell.load.profile != "closed":
        return None
    if reason := _why_no_law(record):
        return unchecked("littles-law", reason)
    users_ns = load.users * (phases.window_end_ns - phases.window_start_ns)
    off = 100 * ((load.response_sum_ns + load.thinking_ns) / users_ns - 1)
    most = "X·(R+Z) within 3 % of users, or no more lost than the generator's CPU time"
    return broken("littles-law", abs(off), threshold=most) if _is_off(off, 3, record, users_ns) else None


def _is_off(percent: float, bound: float, record: TrialRecord, users_ns: int) -> bool:
    """Tell whether the users' time is past the bound, or more is lost than the generator worked.

    While it works on an answer or a request, its user neither waits nor thinks: of one user's time a great
    part, of a thousand users' nothing to speak of.
    """
    if percent > 0:
        return percent > bound
    return -percent > max(bound, 100 * generator_cpu_ns(record) / users_ns)


def unsteady(series: Columns, column: str, seconds: int) -> Finding | None:
    """`unsteady`: the figure is the greatest distance of a level from the last one, in % of the mean.

    `seconds` are the whole ones of the window. One in which nothing was answered has no row in the series:
    its rate is 0, and a time it has none.
    """
    rows = zip(series["second"], series[column], strict=True)
    told = {second: math.nan if value is None else float(value) for second, value in rows if second >= 0}
    if not told:
        return unchecked("unsteady", "the series has no second of the window")
    if column == "requests":
        values = [told.get(second, 0.0) for second in range(seconds)]
    else:
        values = [value for value in told.values() if not math.isnan(value)]
    what, bound = column.replace("_", " "), SHIFT_PERCENT[column]
    if len(values) < LEAST_SECONDS:
        return unchecked("unsteady", f"fewer than {LEAST_SECONDS} seconds with an answer show no level")
    percent = 100 * stats.level_shift(values)
    return broken("unsteady", percent, threshold=f"{what}: <= {bound:g} %") if percent > bound else None


def count_mismatch(record: TrialRecord) -> Finding | None:
    """`count-mismatch`: the figure is how many requests more, or fewer, arrived than were counted."""
    load, _ = window_of(record)
    if load.delivered is None:
        reason = "how many requests arrived is unknown (an error, TLS, long requests, or no Linux)"
        return unchecked("count-mismatch", reason)
    return None if load.delivered == load.sent else broken("count-mismatch", abs(load.delivered - load.sent))


def hit_rate(record: TrialRecord) -> Finding | None:
    """`hit-rate`: the figure is the distance from the scenario's own rate, in points of %."""
    if record.hit_rate is None:
        return None
    share = hit_share(window_of(record)[0])
    if share is None:
        return unchecked("hit-rate", "no answer said whether it was a hit")
    points = round(100 * abs(share - record.hit_rate), 6)  # a bound is kept, whatever binary fractions say
    if points <= HIT_POINTS:
        return None
    return broken("hit-rate", points, threshold=f"within {HIT_POINTS:g} points of {record.hit_rate:.0%}")


def connection_churn(record: TrialRecord) -> Finding | None:
    """`connection-churn`: the figure is the number of connections opened in the whole trial."""
    load, _ = window_of(record)
    return broken("connection-churn", float(load.connections_opened)) if churned(load) else None


def _why_no_law(record: TrialRecord) -> str:
    times = responses_in_window(record)
    if times is None:
        return "no request was answered in the window"
    return "the window is short beside a response time" if times < 10 else ""
