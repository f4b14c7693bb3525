from dataclasses import replace

import pytest
from synthetic import CLOSED

from harness.ground.model import Finding, Limiter, Load
from harness.judgement.figures import TrialFigures
from harness.judgement.limiter import cell_limiter, trial_limiter
from harness.judgement.resources import MEANINGS, Use

FIGURES = TrialFigures(requests_per_s=100.0, cpu_cores=0.5, services_cpu_cores=0.2, in_flight=500.0)
WAITING = replace(FIGURES, in_flight=950.0)
RATE = Load("rate", 1000, rate_per_s=100.0)
BUSY = Use("sut-cpu", 90.0)


def uses(*found: Use) -> list[Use]:
    """Return all resources, idle but for those that are given."""
    known = {one.resource: one for one in found}
    return [known.get(resource, Use(resource, 20.0, 0.0, 0.0)) for resource in MEANINGS]


CASES: list[tuple[Limiter, list[Use], TrialFigures, Load, str]] = [
    ("memory", uses(BUSY), FIGURES, CLOSED, "oom-killed"),
    ("errors", uses(BUSY), FIGURES, CLOSED, "errors"),
    ("generator", uses(BUSY), FIGURES, CLOSED, "generator-busy"),
    ("memory", uses(BUSY, Use("sut-memory", 99.0, 10.0)), FIGURES, CLOSED, ""),
    ("sut-cpu", uses(BUSY, Use("service-cpu", 100.0)), FIGURES, CLOSED, ""),
    ("sut-cpu", uses(Use("sut-quota", saturation_percent=50.0)), WAITING, CLOSED, ""),
    ("sut-cpu", uses(Use("sut-cpu", 60.0, 30.0), Use("host-cpu", 30.0)), WAITING, CLOSED, ""),
    ("waiting", uses(Use("sut-cpu", 60.0, 9.0), Use("host-cpu", 30.0)), WAITING, CLOSED, ""),
    ("waiting", uses(Use("sut-cpu", 60.0, 80.0), Use("host-cpu", 20.0)), WAITING, CLOSED, ""),
    ("service-cpu", uses(Use("service-cpu", 90.0)), FIGURES, CLOSED, ""),
    ("schedule", uses(), replace(FIGURES, requests_per_s=99.5), RATE, ""),
    ("waiting", uses(), replace(FIGURES, requests_per_s=20.0, in_flight=1000.0), RATE, "rate-not-reached"),
    ("sut-cpu", uses(BUSY), replace(FIGURES, requests_per_s=20.0), RATE, "rate-not-reached"),
    ("waiting", uses(*map(Use, MEANINGS)), WAITING, CLOSED, ""),
    ("unknown", uses(), FIGURES, CLOSED, ""),
    ("unknown", uses(Use("sut-cpu", 25.0)), replace(WAITING, cpu_cores=0.99), CLOSED, ""),
    ("unknown", [], TrialFigures(), CLOSED, ""),
]


@pytest.mark.parametrize(("limiter", "found", "figures", "load", "code"), CASES)
def test_who_is_busy_is_named(
    limiter: Limiter, found: list[Use], figures: TrialFigures, load: Load, code: str
) -> None:
    """What ran out is named in the order of asking, and nothing is guessed."""
    findings = [Finding(code, "invalid", None, "", "")] if code else []
    assert trial_limiter(figures, found, load, findings) == limiter


def test_a_cell_is_named_by_most_of_its_trials() -> None:
    """The most frequent limiter wins; a draw goes to the one that is asked for first."""
    assert cell_limiter(["waiting", "sut-cpu", "waiting"]) == "waiting"
    assert cell_limiter(["waiting", "sut-cpu"]) == "sut-cpu"
    assert cell_limiter([]) == "unknown"
