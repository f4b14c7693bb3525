"""Rules that a disturbed load generator breaks, judged by what its real processes record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from generators import drive, serving
from synthetic import PLACEMENT, series, trial_record

from harness.ground.model import Cell, Load, Scenario, Severity, Timing
from harness.judgement.rules import NOT_CHECKED
from harness.judgement.validity import trial_findings

pytestmark = [pytest.mark.slow, pytest.mark.alone]
EVEN = series([7000] * 8)
LATE = """
import time
from locust import task
from harness.loadgen.user import BenchUser

class Late(BenchUser):
    @task
    def hello(self):
        if {when}:
            end = time.perf_counter() + 0.01
            while time.perf_counter() < end:
                pass
        self.client.get("/json")
"""
"""Takes 10 ms of the generator's CPU before each request, on a condition."""
CLOSED = Load("closed", 40)
SCHEDULE = Load("rate", 100, rate_per_s=50.0)
RULES_BROKEN: Mapping[str, tuple[str, Severity, Load, int]] = {
    "worker-imbalance": ("self.environment.runner.worker_index == 1", "invalid", CLOSED, 2),
    "send-lag": ("True", "warning", SCHEDULE, 1),
}
"""When a process is late, what that breaks, under which load, with how many processes."""


def findings(folder: Path, when: str, load: Load, processes: int) -> Mapping[str, Severity]:
    """Drive a server by generator processes that are late now and then; return what was checked and found."""
    folder.mkdir(exist_ok=True)
    path = folder / "late.py"
    path.write_text(LATE.format(when=when))
    scenario = Scenario("late", str(path))
    with serving(folder, "plateaus") as base_url:
        told = drive(
            folder / "g", base_url, load, Timing(0.5, 3.0), processes=processes, scenario=scenario
        ).told
    cell = Cell("paced", "late", load)
    record = replace(trial_record(cell), phases=told.phases, load=told.load, watch=told.watch)
    found = trial_findings(record, PLACEMENT, EVEN, None)
    return {one.code: one.severity for one in found if not one.remedy.startswith(NOT_CHECKED)}


@pytest.mark.parametrize("code", RULES_BROKEN)
def test_a_process_that_is_late_breaks_its_rule(tmp_path: Path, code: str) -> None:
    """A worker slower than the other, and sends that wait for the generator's CPU, are found."""
    when, severity, load, processes = RULES_BROKEN[code]
    assert findings(tmp_path, when, load, processes)[code] == severity


@pytest.mark.parametrize("code", RULES_BROKEN)
def test_a_process_in_time_breaks_no_rule(tmp_path: Path, code: str) -> None:
    """The same load by the same processes breaks neither rule where nothing is in their way.

    Another virtual machine may be, for moments that the bound of 1 ms knows; not in each of ten tries.
    """
    _, _, load, processes = RULES_BROKEN[code]
    tries = (findings(tmp_path / str(number), "False", load, processes) for number in range(10))
    assert any(code not in found for found in tries)
