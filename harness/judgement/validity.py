"""Whether a trial can be trusted: every rule's check asked, in the order of the table.

A rule that could not be checked is told as a note whose remedy begins with `not checked`, never as good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.ground.model import Finding, Placement
from harness.ground.observations import TrialRecord
from harness.judgement.checks import generator, host, load, schedule, sut
from harness.judgement.checks.window import whole_seconds
from harness.judgement.rules import SHIFT_PERCENT
from harness.records.run import Columns

_Check = Callable[[TrialRecord], Finding | None]


def trial_findings(
    record: TrialRecord, placement: Placement, series: Columns, ceiling_per_s: float | None = None
) -> tuple[Finding, ...]:
    """Return what the rules say about one trial; the rules about load need a window.

    `series` is the trial's load second by second; `ceiling_per_s` the generator's own against a null SUT with
    this scenario, None if not measured.
    """
    if sut.failed(record):
        found = [check(record) for check in _OF_EVERY_TRIAL]
    else:
        found = [check(record) for check in (*_OF_EVERY_TRIAL, *_OF_WINDOW)]
        found.append(generator.ceiling(record, ceiling_per_s))
        found += [host.processes(record, placement), host.steal(record)]
        seconds = whole_seconds(record)
        found += dict.fromkeys(load.unsteady(series, column, seconds) for column in SHIFT_PERCENT)
    found.insert(0, sut.overlap(placement))
    return tuple(finding for finding in found if finding is not None)


def is_valid(findings: Iterable[Finding]) -> bool:
    """Return whether a trial with these findings may enter a figure."""
    return all(finding.severity != "invalid" for finding in findings)


_OF_EVERY_TRIAL: tuple[_Check, ...] = (
    sut.failed,
    sut.crashed,
    sut.restarted,
    sut.oom_killed,
    generator.worker_lost,
    sut.caps_not_enforced,
    sut.slow_interpreter,
)
_OF_WINDOW: tuple[_Check, ...] = (
    generator.worker_imbalance,
    load.scenario_mistakes,
    load.errors,
    load.count_mismatch,
    load.hit_rate,
    load.starved_users,
    load.window_short,
    load.littles_law_of_time,
    load.littles_law_of_requests,
    schedule.rate_not_reached,
    schedule.send_lag,
    schedule.send_lag_of_idle_users,
    generator.cpu,
    generator.waiting,
    generator.stall,
    load.connection_churn,
)
