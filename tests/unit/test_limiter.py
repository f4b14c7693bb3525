from dataclasses import replace

import pytest
from synthetic import CLOSED, PLACEMENT

from harness.ground.model import Finding, Limiter, Load
from harness.judgement.figures import TrialFigures
from harness.judgement.limiter import cell_limiter, trial_limiter

IDLE = TrialFigures(requests_per_s=100.0, cpu_cores=0.5, services_cpu_cores=0.2, in_flight=500.0)
RATE = Load("rate", 1000, rate_per_s=100.0)

CASES: list[tuple[Limiter, TrialFigures, Load, str]] = [
    ("memory", replace(IDLE, cpu_cores=1.0), CLOSED, "oom-killed"),
    ("errors", replace(IDLE, cpu_cores=1.0), CLOSED, "errors"),
    ("generator", replace(IDLE, cpu_cores=1.0), CLOSED, "generator-busy"),
    ("sut-cpu", replace(IDLE, cpu_cores=0.9, services_cpu_cores=1.0), CLOSED, ""),
    ("service-cpu", replace(IDLE, services_cpu_cores=0.9), CLOSED, ""),
    ("schedule", replace(IDLE, requests_per_s=99.5), RATE, ""),
    ("waiting", replace(IDLE, requests_per_s=20.0, in_flight=1000.0), RATE, "rate-not-reached"),
    ("sut-cpu", replace(IDLE, requests_per_s=20.0, cpu_cores=1.0), RATE, "rate-not-reached"),
    ("waiting", replace(IDLE, in_flight=950.0), CLOSED, ""),
    ("unknown", IDLE, CLOSED, ""),
    ("unknown", TrialFigures(), CLOSED, ""),
]


@pytest.mark.parametrize(("limiter", "figures", "load", "code"), CASES)
def test_who_is_busy_is_named(limiter: Limiter, figures: TrialFigures, load: Load, code: str) -> None:
    """What ran out is named in the order of asking, and nothing is guessed."""
    findings = [Finding(code, "invalid", None, "", "")] if code else []
    assert trial_limiter(figures, load, PLACEMENT, findings) == limiter


def test_a_cell_is_named_by_most_of_its_trials() -> None:
    """The most frequent limiter wins; a draw goes to the one that is asked for first."""
    assert cell_limiter(["waiting", "sut-cpu", "waiting"]) == "waiting"
    assert cell_limiter(["waiting", "sut-cpu"]) == "sut-cpu"
    assert cell_limiter([]) == "unknown"
