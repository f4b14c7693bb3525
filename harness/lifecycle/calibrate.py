"""The ceiling of the load generator here: how many requests/s it can send to a null SUT."""

from __future__ import annotations

from dataclasses import replace

from harness.ground.model import Cell, Load, PlannedTrial, Timing
from harness.ground.observations import Ceiling
from harness.lifecycle.bench import Bench
from harness.lifecycle.steps import Preparing, Tell
from harness.lifecycle.trial import measure

NULL = "null-uvloop"
"""The variant that answers with canned replies."""
_TIMING = Timing(warmup_s=1.0, window_s=2.0, drain_s=5.0)


def ceilings(bench: Bench, load: Load, tell: Tell) -> tuple[Ceiling, ...]:
    """Drive the null SUT with each scenario that it serves for a moment; None where that fails."""
    null = bench.job.variants.get(NULL)
    if null is None:
        return ()
    here = replace(bench, job=replace(bench.job, timing=_TIMING))
    served = [scenario.id for scenario in bench.job.scenarios.values() if null.serves(scenario)]
    return tuple(_ceiling(here, name, load, tell) for name in served)


def _ceiling(bench: Bench, scenario: str, load: Load, tell: Tell) -> Ceiling:
    tell(Preparing(f"calibrating the generator on {scenario}"))
    closed = Load("closed", load.users)
    scratch = bench.folder / f"calibrate-{scenario}"
    scratch.mkdir()
    trial = PlannedTrial(0, 0, Cell(NULL, scenario, closed))
    record = measure(bench, trial, scratch, lambda _step: None)
    usage = next((usage for usage in record.usage if usage.party == "generator"), None)
    if record.load is None or usage is None or record.load.requests <= record.load.errors:
        tell(Preparing(f"no ceiling of {scenario}: {record.failure or 'the null SUT does not answer it'}"))
        return Ceiling(scenario, None, None)
    rate = (record.load.requests - record.load.errors) / _TIMING.window_s
    if usage.end.cpu_ns is None or usage.start.cpu_ns is None:
        return Ceiling(scenario, rate, None)
    cores = (usage.end.cpu_ns - usage.start.cpu_ns) / (usage.end.at_ns - usage.start.at_ns)
    return Ceiling(scenario, rate, cores * 1e6 / rate)
