from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import synthetic

from harness.ground.model import Load, PlannedTrial, Scenario, Timing
from harness.lifecycle import calibrate
from harness.lifecycle.bench import Bench, Job
from harness.lifecycle.steps import Preparing

SCENARIOS = (Scenario("hello", "/hello.py"), Scenario("shop", "/shop.py", extends=True))


def calibrated(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    *,
    requests: int,
    errors: int,
    scenarios: Sequence[Scenario],
) -> tuple[dict[str, float | None], list[str], list[str]]:
    """Return the ceilings by scenario where every trial ends so, which were measured, and what was told."""
    measured: list[str] = []
    told: list[str] = []

    def measure(_bench: Bench, trial: PlannedTrial, *_: object) -> object:
        measured.append(trial.cell.scenario)
        counters = SimpleNamespace(
            party="generator",
            start=SimpleNamespace(cpu_ns=0, at_ns=0),
            end=SimpleNamespace(cpu_ns=1_000_000_000, at_ns=2_000_000_000),
        )
        load = SimpleNamespace(requests=requests, errors=errors)
        return SimpleNamespace(load=load, usage=[counters], failure=None)

    monkeypatch.setattr(calibrate, "measure", measure)
    anything: Any = None
    null = replace(synthetic.variant(calibrate.NULL), framework="none")
    named = {one.id: one for one in scenarios}
    job = Job("r", {null.id: null}, named, anything, Timing(0, 1), seed=0)
    bench = Bench(job, anything, {}, (), folder, folder, anything)
    found = calibrate.ceilings(bench, Load("closed", 1), lambda step: told.append(cast(Preparing, step).text))
    return {one.scenario: one.requests_per_s for one in found}, measured, told


def test_the_null_sut_is_asked_what_it_can_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Canned replies are those to the project's contract: an extension has no ceiling, and takes no time."""
    ceilings, measured, _ = calibrated(monkeypatch, tmp_path, requests=10, errors=0, scenarios=SCENARIOS)
    assert ceilings == {"hello": 5.0}
    assert measured == ["hello"]


def test_a_scenario_that_gets_no_good_answer_has_no_ceiling(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the null SUT answers nothing right the ceiling is unknown, and not a rate of none."""
    ceilings, _, told = calibrated(monkeypatch, tmp_path, requests=9, errors=9, scenarios=SCENARIOS[:1])
    assert ceilings == {"hello": None}
    assert told[-1] == "no ceiling of hello: the null SUT does not answer it"
