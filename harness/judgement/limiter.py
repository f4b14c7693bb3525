"""What bounds a trial, and so a cell, in a first form: who is busy (Gregg's USE method), in order.

Utilisation alone names the limiter here: memory that ran out, errors, the generator, the system under
test's CPU, the services' CPU; else, where nearly all users wait and nothing is busy, waiting itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from harness.ground.model import Finding, Limiter, Load, Placement
from harness.judgement.figures import TrialFigures

BUSY = 0.9
"""The share of a cap or of CPUs from which a party counts as busy."""
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
    figures: TrialFigures, load: Load, placement: Placement, findings: Iterable[Finding]
) -> Limiter:
    """Return what bounded one trial."""
    codes = {finding.code for finding in findings if finding.severity == "invalid"}
    if "oom-killed" in codes:
        return "memory"
    if "errors" in codes:
        return "errors"
    if codes & {"generator-busy", "generator-stall"}:
        return "generator"
    if figures.cpu_cores is None or figures.requests_per_s is None:
        return "unknown"
    if figures.cpu_cores >= BUSY * placement.caps.cpus:
        return "sut-cpu"
    service_cpus = len(placement.service_cpus)
    if service_cpus and (figures.services_cpu_cores or 0.0) >= BUSY * service_cpus:
        return "service-cpu"
    if load.profile == "rate" and "rate-not-reached" not in codes:
        return "schedule"
    return "waiting" if (figures.in_flight or 0.0) >= BUSY * load.users else "unknown"


def cell_limiter(limiters: Sequence[Limiter]) -> Limiter:
    """Return what bounded most of a cell's trials; of equally many, the first in the order of asking."""
    counts = Counter(limiters)
    return max(_ORDER, key=lambda limiter: counts[limiter]) if limiters else "unknown"
