"""What bounds a trial, and so a cell: the first resource that is used up, or waited for, in order.

Errors come first, since figures of failing requests say nothing of resources; then the generator, the
SUT's memory and CPU, the services' CPU; else, where nearly all users wait and nothing is busy, waiting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from harness.ground.model import Finding, Limiter, Load
from harness.judgement.figures import TrialFigures
from harness.judgement.resources import Use

BUSY = 0.9
"""The share of users from which nearly all wait."""
BUSY_PERCENT = 90.0
"""Of a cap or of CPUs: from here on a party counts as busy."""
THROTTLED_PERCENT = 50.0
"""Of enforcement periods: from here on a quota bounds a SUT that uses it in bursts."""
WAITING_PERCENT = 10.0
"""Of the window: from here on work counts as waiting for a resource."""
_ORDER: tuple[Limiter, ...] = (
    "memory",
    "errors",
    "generator",
    "sut-cpu",
    "service-cpu",
    "schedule",
    "waiting",
    "unknown",
)


def trial_limiter(
    figures: TrialFigures, uses: Sequence[Use], load: Load, findings: Iterable[Finding]
) -> Limiter:
    """Return what bounded one trial."""
    codes = {finding.code for finding in findings if finding.severity == "invalid"}
    if "oom-killed" in codes:
        return "memory"
    if "errors" in codes:
        return "errors"
    if codes & {"generator-busy", "generator-stall"}:
        return "generator"
    use = {one.resource: one for one in uses}
    if figures.cpu_cores is None or figures.requests_per_s is None or not use:
        return "unknown"
    if _most(use["sut-memory"].saturation_percent) >= WAITING_PERCENT:
        return "memory"
    if _sut_cpu_is_used_up(use):
        return "sut-cpu"
    if _most(use["service-cpu"].utilisation_percent) >= BUSY_PERCENT:
        return "service-cpu"
    if load.rate_per_s is not None and "rate-not-reached" not in codes:
        return "schedule"
    idle = figures.cpu_cores < BUSY  # a core is all that a SUT of one thread can use of a wider cap
    return "waiting" if idle and (figures.in_flight or 0.0) >= BUSY * load.users else "unknown"


def _sut_cpu_is_used_up(use: Mapping[str, Use]) -> bool:
    """Tell whether the SUT had all of its CPU: by itself, up to its quota, or together with others."""
    cpu = use["sut-cpu"]
    own, others = _most(cpu.utilisation_percent), _most(use["host-cpu"].utilisation_percent)
    if own >= BUSY_PERCENT or _most(use["sut-quota"].saturation_percent) >= THROTTLED_PERCENT:
        return True
    return own + others >= BUSY_PERCENT and _most(cpu.saturation_percent) >= WAITING_PERCENT


def _most(percent: float | None) -> float:
    return 0.0 if percent is None else percent


def cell_limiter(limiters: Sequence[Limiter]) -> Limiter:
    """Return what bounded most of a cell's trials; of equally many, the first in the order of asking."""
    counts = Counter(limiters)
    return max(_ORDER, key=lambda limiter: counts[limiter]) if limiters else "unknown"
