from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from synthetic import PLACEMENT

from harness.ground.model import Caps, Cell, Load, Placement, PlannedTrial, Scenario, Timing
from harness.lifecycle import bench as module
from harness.lifecycle.bench import Bench, Job
from harness.machine.services.catalogue import given_by


@dataclass
class FakeService:
    """Tells a SUT one variable; counts how often it was reset."""

    name: str
    value: str
    variables: Mapping[str, str] = field(init=False)
    for_clients: Mapping[str, str] = field(default_factory=dict)
    resets: int = 0

    def __post_init__(self) -> None:
        self.variables = {{"postgres": "DATABASE", "rate-limit": "LIMIT"}.get(self.name, "MODEL"): self.value}

    def reset(self) -> None:
        """Count."""
        self.resets += 1


def test_a_trial_is_given_what_its_scenario_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenarios of a run get what they need and no other's; without one it is all but what stands apart."""
    started: list[Mapping[str, str]] = []
    monkeypatch.setattr(module, "start_sut", lambda *_, services, **__: started.append(services))
    services = [
        FakeService("postgres", "there"),
        FakeService("classifier", "exact"),
        FakeService("classifier-int8", "small"),
        FakeService("rate-limit", "1/second"),
    ]
    needs = {
        "hello": (),
        "classify": ("classifier",),
        "classify-int8": ("classifier-int8",),
        "limited": ("rate-limit",),
    }
    scenarios = {name: Scenario(name, "", needed, ()) for name, needed in needs.items()}
    job = SimpleNamespace(scenarios=scenarios, placement=PLACEMENT, network="host")
    anything: Any = None
    bench = Bench(
        cast(Job, job), anything, {"x": anything}, cast(Any, tuple(services)), Path(), Path(), anything
    )
    variant: Any = SimpleNamespace(id="x", cpus=None)
    for number, name in enumerate(needs, 1):
        trial = PlannedTrial(number, 1, Cell("x", name, Load("closed", 1)))
        bench.start(variant, trial, port=1, log=Path())
    bench.start(variant, None, port=1, log=Path())
    bench.start(variant, None, port=1, log=Path(), apart=["rate-limit"])
    everything = {"DATABASE": "there", "MODEL": "small"}
    limited = {"LIMIT": "1/second"}
    assert started == [
        *({}, {"MODEL": "exact"}, {"MODEL": "small"}, limited),
        *(everything, everything | limited),
    ]
    assert [service.resets for service in services] == [6, 6, 6, 6]


def test_a_variant_is_started_under_its_own_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its name has a cap that one is handed on, on as many CPUs as it needs; else it is the run's."""
    started: list[Placement] = []
    monkeypatch.setattr(module, "start_sut", lambda *_, placement, **__: started.append(placement))
    wide = replace(PLACEMENT, sut_cpus=(0, 1, 2), caps=Caps(3.0, 1 << 30))
    anything: Any = None
    job: Any = SimpleNamespace(scenarios={}, placement=wide, network="host")
    bench = Bench(job, anything, {"x": anything}, (), Path(), Path(), anything)
    for cpus in (None, 0.5, 1.0, 1.5, 3.0):
        variant: Any = SimpleNamespace(id="x", cpus=cpus)
        bench.start(variant, None, port=1, log=Path())
    assert started[0] == wide
    assert [one.caps for one in started[1:]] == [Caps(cpus, 1 << 30) for cpus in (0.5, 1.0, 1.5, 3.0)]
    assert [one.sut_cpus for one in started[1:]] == [(0,), (0,), (0, 1), (0, 1, 2)]


def test_a_service_is_started_once_and_not_for_nobody() -> None:
    """What several scenarios need is started once; what nobody is given here is not, whoever needs it."""
    needs = {"documents": ("postgres", "keys"), "auth": ("keys",), "tls": ("tls",)}
    scenarios = {name: Scenario(name, "", needed, ()) for name, needed in needs.items()}
    anything: Any = None
    job = Job("r", {}, scenarios, anything, Timing(0, 1), seed=0)
    assert job.services == ("postgres", "keys", "tls")
    assert replace(job, without=frozenset({"tls"})).services == ("postgres", "keys")


def test_the_quantised_classifier_is_a_classifier() -> None:
    """The contract's cases ask for a classifier, whatever its precision; other services are themselves."""
    assert given_by(["classifier-int8", "postgres"]) == {"classifier-int8", "classifier", "postgres"}
    assert given_by(["postgres"]) == {"postgres"}
