"""A run from its plan to its seal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from harness.ground.clock import Clock
from harness.ground.errors import VariantFailed
from harness.ground.model import NO_FRAMEWORK, Placement, PlannedTrial, Scenario, Stage, Timing, Variant
from harness.ground.observations import SCHEMA, Ceiling
from harness.judgement.judge import judge, judge_trials
from harness.lifecycle.steps import Preparing, Tell, TrialBegins, TrialEnds
from harness.lifecycle.sut import free_port
from harness.lifecycle.trial import Bench, measure
from harness.lifecycle.verify import CaseResult, failures, for_endpoints, verify
from harness.machine import environments
from harness.machine.backends.cgroup import CgroupBackend
from harness.machine.custody.journal import Journal
from harness.machine.fingerprint import fingerprint
from harness.machine.services.catalogue import Surroundings, start_services
from harness.records.contract import load_cases
from harness.records.store import Results, RunRecord, StoredRun, StoredTrial, read_run
from harness.records.summary import Summary
from harness.records.summary_json import to_json


@contextmanager
def bench(
    run_id: str,
    journal: Journal,
    *,
    variants: Mapping[str, Variant],
    scenarios: Mapping[str, Scenario],
    placement: Placement,
    timing: Timing,
    seed: int,
    apps_root: Path,
    logs: Path,
    clock: Clock,
    tell: Tell,
) -> Iterator[Bench]:
    """Make environments, start the services that the scenarios need, and end them afterwards.

    Raises EnvironmentUnfit or VariantFailed where that can't be done.
    """
    made = {
        name: environments.ensure(variant, lambda text: tell(Preparing(text)))
        for name, variant in variants.items()
    }
    for name, variant in variants.items():
        environments.compile_bytecode(made[name], variant, apps_root=apps_root)
    backend = CgroupBackend(run_id, journal, clock)
    try:
        needed = dict.fromkeys(need for scenario in scenarios.values() for need in scenario.services)
        if needed:
            tell(Preparing(f"starting {', '.join(needed)}"))
        around = Surroundings(backend, journal, placement.service_cpus, logs)
        services = start_services(needed, around)
        apart = stay_off(placement)
        try:
            yield Bench(
                run=run_id,
                backend=backend,
                placement=placement,
                timing=timing,
                seed=seed,
                variants=variants,
                scenarios=scenarios,
                environments=made,
                services=services,
                apps_root=apps_root,
                clock=clock,
            )
        finally:
            apart()
            for service in reversed(services):
                service.stop()
    finally:
        backend.close()


def stay_off(placement: Placement) -> Callable[[], None]:
    """Move the harness to the services' CPUs, away from the SUT; return what moves it back."""
    try:
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, placement.service_cpus)
    except (AttributeError, OSError):  # not Linux, or not permitted
        return lambda: None
    return lambda: os.sched_setaffinity(0, before)


def begin(
    bench: Bench,
    results: Results,
    suite: str,
    stage: Stage,
    blocks: int,
    command: str,
    calibration: tuple[Ceiling, ...],
) -> RunRecord:
    """Write down the plan of a run and where it is carried out."""
    record = RunRecord(
        schema=SCHEMA,
        id=bench.run,
        suite=suite,
        started=bench.clock.utc().isoformat(timespec="seconds"),
        command=command,
        backend=bench.backend.name,
        seed=bench.seed,
        blocks=blocks,
        timing=bench.timing,
        placement=bench.placement,
        stages=(stage,),
        variants=tuple(bench.variants.values()),
        scenarios=tuple(bench.scenarios.values()),
        services={service.name: f"{service.version} ({service.origin})" for service in bench.services},
        fingerprint=asdict(fingerprint()),
        calibration=calibration,
    )
    results.begin(record)
    return record


def check_contract(bench: Bench, contract: Path, logs: Path, tell: Tell) -> dict[str, tuple[CaseResult, ...]]:
    """Start each variant once, hold it to the contract's cases, and end it; a null SUT keeps none.

    This is also the discarded start: the first one after an installation is slower than all others.
    """
    cases = load_cases(contract)
    endpoints = {endpoint for scenario in bench.scenarios.values() for endpoint in scenario.endpoints}
    if endpoints:
        cases = for_endpoints(cases, endpoints)
    given = tuple(service.name for service in bench.services)
    results = {}
    for name, variant in bench.variants.items():
        if variant.framework == NO_FRAMEWORK:
            continue
        tell(Preparing(f"verifying {name} against {len(cases)} cases"))
        sut = bench.start(variant, None, port=free_port(), log=logs / f"verify-{name}.log")
        try:
            results[name] = verify(sut.base_url, cases, services=given)
        finally:
            sut.party.stop()
    return results


def insist(results: Mapping[str, tuple[CaseResult, ...]]) -> None:
    """Raise VariantFailed, with the differences, where a variant broke a case."""
    for name, of_variant in results.items():
        broken = failures(of_variant)
        if broken:
            shown = "\n".join(f"{case.name}: {case.difference}" for case in broken[:5])
            raise VariantFailed(
                f"does not keep {len(broken)} of the contract's {len(of_variant)} cases",
                where=name,
                remedy=f"webdyno verify {name} shows them all; the first:\n{shown}",
            )


def carry_out(bench: Bench, results: Results, run: StoredRun, tell: Tell) -> StoredRun:
    """Do the trials of a run that are missing, each persisted before the next begins."""
    missing = set(run.missing)
    todo = [trial for stage in run.stages for trial in stage.trials if trial.number in missing]
    begun_ns = bench.clock.now_ns()
    for position, trial in enumerate(todo, 1):
        spent_s = (bench.clock.now_ns() - begun_ns) / 1e9
        each_s = (
            spent_s / (position - 1) if position > 1 else 6.5 + bench.timing.warmup_s + bench.timing.window_s
        )
        tell(TrialBegins(trial, position, len(todo), each_s * (len(todo) - position + 1)))
        scratch = results.scratch(run.id)
        stored = results.keep(measure(bench, trial, scratch, tell), scratch)
        tell(_outcome(run, stored, trial))
    return read_run(run.folder)


def seal(results: Results, run: StoredRun) -> Summary:
    """Judge a complete run and seal it."""
    summary = judge(run)
    results.seal(run.id, {"summary.json": to_json(summary)})
    return summary


def _outcome(run: StoredRun, stored: StoredTrial, trial: PlannedTrial) -> TrialEnds:
    judged = judge_trials(StoredRun(run.folder, run.record, (stored,), "incomplete"))[0]
    rate = judged.figures.requests_per_s
    if judged.valid and rate is not None:
        return TrialEnds(trial, f"{rate:.0f} requests/s", valid=True)
    codes = [finding.code for finding in judged.findings if finding.severity == "invalid"]
    reason = stored.record.failure or ", ".join(codes)
    return TrialEnds(trial, f"invalid: {reason}", valid=False)
