"""The rules about the system under test and its caps."""

from __future__ import annotations

from harness.ground.model import Finding, Placement
from harness.ground.observations import TrialRecord
from harness.judgement.rules import broken, unchecked


def failed(record: TrialRecord) -> Finding | None:
    """`trial-failed`: there is no window, whatever the reason."""
    if record.failure is None and record.load is not None and record.phases is not None:
        return None
    return broken("trial-failed", None, reason=record.failure or "the record has no window")


def crashed(record: TrialRecord) -> Finding | None:
    """`sut-crashed`: it ended before it was told to; the figure is its exit status."""
    return None if record.sut_exit is None else broken("sut-crashed", float(record.sut_exit))


def restarted(record: TrialRecord) -> Finding | None:
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
