"""Whether a stored run may go on here: the same variants and scenarios, on the same machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.ground.errors import EnvironmentUnfit, UsageError
from harness.ground.model import Scenario
from harness.lifecycle.bench import Job
from harness.machine.requirements import may_be
from harness.records.manifest import MANIFEST, load_variant
from harness.records.run import StoredRun
from harness.records.wishes import base_of, named

_SAME = ("cpu_model", "architecture", "cpus_usable", "memory_bytes", "cpus_awake", "kernel", "python")
"""What makes trials of two moments comparable, by the fingerprint's names."""


def job_of(stored: StoredRun, scenarios: Mapping[str, Scenario], fingerprint: Mapping[str, object]) -> Job:
    """Return what an incomplete run was set up for; `scenarios` are this project's and its own folders'.

    Raises UsageError where the run is sealed, or a variant or scenario is no longer what it was (which is
    also why no command of a `run.json` that somebody changed is ever run); EnvironmentUnfit where this is
    another machine than the run's.
    """
    if stored.state == "sealed":
        raise UsageError(
            f"the run {stored.id} is complete and sealed", remedy=f"see it: webdyno show {stored.id}"
        )
    for variant in stored.record.variants:
        there = replace(load_variant(Path(variant.folder)), id=base_of(variant.id))
        wished = named((variant.id,), {there.id: there})[variant.id]
        if replace(wished, pins=variant.pins) != variant or not may_be(variant.pins, wished.pins):
            raise _changed(Path(variant.folder, MANIFEST))
    for scenario in stored.record.scenarios:
        # Scenarios are run as us: never one that is not here, nor in a folder that is shown and asked about.
        here = scenarios.get(scenario.id)
        if here is None or here.path != scenario.path:
            raise UsageError(
                f"is not this project's scenario {scenario.id!r}",
                where=scenario.path,
                remedy="resume the run in the project that it was begun in, or start a new run",
            )
        if here != scenario:
            raise _changed(Path(scenario.path))
    for name in _SAME:
        then, now = stored.fingerprint.get(name), fingerprint.get(name)
        if then != now:
            raise EnvironmentUnfit(
                f"was begun on another machine: its {name} was {then}, here it is {now}",
                where=stored.id,
                remedy="resume it there, or start a new run: its trials could not be compared with these",
            )
    return Job(
        run=stored.id,
        variants={variant.id: variant for variant in stored.record.variants},
        scenarios={scenario.id: scenario for scenario in stored.record.scenarios},
        placement=stored.placement,
        timing=stored.timing,
        seed=stored.seed,
        backend="docker" if stored.record.backend == "docker" else "cgroup",
        network=stored.record.network,
    )


def _changed(path: Path) -> UsageError:
    return UsageError(
        "has changed since the run began", where=str(path), remedy="undo the change, or start a new run"
    )
