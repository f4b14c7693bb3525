"""A run from its plan to its seal."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.ground.errors import EnvironmentUnfit, VariantFailed
from harness.ground.model import NO_FRAMEWORK, PlannedTrial, Stage, Variant
from harness.ground.observations import SCHEMA, Ceiling
from harness.ground.redaction import secrets_of
from harness.judgement.judge import judge
from harness.judgement.stages import next_stage
from harness.judgement.trials import judge_trials
from harness.lifecycle import flames
from harness.lifecycle.bench import Bench
from harness.lifecycle.steps import Preparing, Tell, TrialBegins, TrialEnds
from harness.lifecycle.sut import free_port
from harness.lifecycle.trial import measure
from harness.lifecycle.verify import CaseResult, due_from, failures, verify
from harness.machine.services.catalogue import APART, given_by
from harness.machine.services.tls import TLS
from harness.records.contract import Case
from harness.records.disk import writing
from harness.records.plan import TRIAL_OVERHEAD_S
from harness.records.run import RunRecord, StoredRun, StoredTrial, read_run
from harness.records.store import Results
from harness.records.summary import Summary
from harness.records.summary_json import to_json
from harness.records.wishes import base_of


def begin(
    bench: Bench,
    results: Results,
    stage: Stage,
    *,
    suite: str,
    blocks: int,
    command: str,
    fingerprint: Mapping[str, object],
    calibration: tuple[Ceiling, ...],
    equal_load: float | None = None,
    own_shares: tuple[float, ...] = (),
    apps: tuple[str, ...] = (),
    flame: bool = False,
) -> RunRecord:
    """Write down the plan of a run and where it is carried out."""
    job = bench.job
    record = RunRecord(
        schema=SCHEMA,
        id=job.run,
        suite=suite,
        started=bench.clock.utc().isoformat(timespec="seconds"),
        command=command,
        backend=bench.backend.name,
        seed=job.seed,
        blocks=blocks,
        timing=job.timing,
        placement=job.placement,
        stages=(stage,),
        variants=tuple(job.variants.values()),
        scenarios=tuple(job.scenarios.values()),
        services=bench.versions,
        fingerprint=fingerprint,
        calibration=calibration,
        network=job.network,
        equal_load=equal_load,
        own_shares=own_shares,
        apps=apps,
        flame=flame,
    )
    results.begin(record)
    return record


def check_contract(bench: Bench, whole: Collection[Case], tell: Tell) -> dict[str, tuple[CaseResult, ...]]:
    """Start each variant, hold it to what it implements of all cases, and end it.

    A null SUT keeps none, and nothing is due of what serves no scenario of the job.

    It is started once more for each service that stands apart, with that one beside the others, for the
    cases that need it. The first start is also the discarded one: after an installation it is the slowest.
    """
    results = {}
    for name, variant in bench.job.variants.items():
        scenarios = bench.job.scenarios.values()
        if variant.framework == NO_FRAMEWORK or not any(map(variant.serves, scenarios)):
            continue
        cases = due_from(variant, whole, scenarios)
        tell(Preparing(f"verifying {name} against {len(cases)} cases"))
        results[name] = tuple(
            result
            for apart, of_them in _by_start(bench, cases).items()
            for result in _hold_to(bench, variant, of_them, apart)
        )
    return results


def log_of(bench: Bench, variant: Variant, apart: Collection[str] = ()) -> Path:
    """Return where a variant's output lies while it is held to the contract beside such services."""
    row = list(bench.job.variants.values()).index(variant)  # two rows may be of one folder
    name = "-".join(["verify", str(row), base_of(variant.id), *sorted(apart)])
    return bench.folder / f"{name}.log"


def _by_start(bench: Bench, cases: Iterable[Case]) -> dict[frozenset[str], list[Case]]:
    """Return the cases that one start can be asked, by the services that stand apart and are given in it."""
    offered = frozenset(service.name for service in bench.services) & APART
    starts: dict[frozenset[str], list[Case]] = {frozenset(): []}  # done even where no case is for it
    for case in cases:
        starts.setdefault(offered.intersection(case.needs), []).append(case)
    return starts


def _hold_to(
    bench: Bench, variant: Variant, cases: Iterable[Case], apart: frozenset[str]
) -> tuple[CaseResult, ...]:
    if TLS in apart and not variant.tls:
        return tuple(
            CaseResult(case.name, None, "not checked: is for a variant with `tls`") for case in cases
        )
    sut = bench.start(variant, None, port=free_port(), log=log_of(bench, variant, apart), apart=apart)
    try:
        return verify(
            sut.base_url,
            cases,
            services=given_by(bench.beside(apart)),
            variables=bench.variables | bench.for_clients,
        )
    finally:
        sut.party.stop()


def insist(results: Mapping[str, tuple[CaseResult, ...]]) -> None:
    """Raise VariantFailed, with the differences, where a variant broke a case."""
    for name, of_variant in results.items():
        broken = failures(of_variant)
        if broken:
            lines = [line for case in broken[:5] for line in f"{case.name}: {case.difference}".splitlines()]
            raise VariantFailed(
                f"does not keep {len(broken)} of the contract's {len(of_variant)} cases",
                where=name,
                remedy="\n    ".join([f"webdyno verify {name} shows them all; the first:", *lines]),
            )


def carry_out(bench: Bench, results: Results, run: StoredRun, tell: Tell) -> StoredRun:
    """Do the trials of a run that are missing, each persisted before the next begins, stage by stage.

    Then its flame graphs are drawn, where they were asked for. Raises EnvironmentUnfit where there is no room
    for another one, or the services are not those that the run began with; those before it are kept.
    """
    _insist_on_services(bench, run)
    run = _do_missing(bench, results, run, tell)
    while (stage := next_stage(run)) is not None:
        tell(Preparing(f"{stage.name}: {len(stage.trials)} trials"))
        run = _do_missing(bench, results, results.extend(run, stage), tell)
    flames.draw(bench, results, run, tell)
    return run


def _do_missing(bench: Bench, results: Results, run: StoredRun, tell: Tell) -> StoredRun:
    missing = set(run.missing)
    todo = [trial for stage in run.stages for trial in stage.trials if trial.number in missing]
    secrets = secrets_of(bench.variables)
    begun_ns = bench.clock.now_ns()
    each_s = TRIAL_OVERHEAD_S + bench.job.timing.warmup_s + bench.job.timing.window_s
    for position, trial in enumerate(todo, 1):
        if position > 1:
            each_s = (bench.clock.now_ns() - begun_ns) / 1e9 / (position - 1)
        tell(TrialBegins(trial, position, len(todo), each_s * (len(todo) - position + 1)))
        scratch = results.scratch(run.id)
        with _emptied_by_an_error(scratch), writing(scratch):
            record = measure(bench, trial, scratch, tell)
        tell(_outcome(run, results.keep(record, scratch, secrets), trial))
    return read_run(run.folder)


def _insist_on_services(bench: Bench, run: StoredRun) -> None:
    for name, here in bench.versions.items():
        then = run.record.services.get(name)
        if then != here:
            raise EnvironmentUnfit(
                f"was begun with another {name}: then it was {then}, here it is {here}",
                where=run.id,
                remedy="bring that one back, or start a new run: its trials could not be compared with these",
            )


@contextmanager
def _emptied_by_an_error(scratch: Path) -> Iterator[None]:
    """Remove a trial that is not to be kept: a log that fills the disk would be in the way of `resume`."""
    try:
        yield
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def seal(results: Results, run: StoredRun) -> Summary:
    """Judge a complete run and seal it."""
    summary = judge(run)
    results.seal(run.id, {"summary.json": to_json(summary)})
    return summary


def _outcome(run: StoredRun, stored: StoredTrial, trial: PlannedTrial) -> TrialEnds:
    judged = judge_trials(StoredRun(run.folder, run.record, (stored,), "incomplete"))[0]
    rate, median_ms = judged.figures.requests_per_s, judged.figures.response_ms.p50
    if judged.valid and rate is not None:
        found = (
            "" if trial.cell.load.profile == "closed" or median_ms is None else f", p50 {median_ms:.1f} ms"
        )
        return TrialEnds(trial, f"{rate:.0f} requests/s{found}", valid=True)
    codes = [finding.code for finding in judged.findings if finding.severity == "invalid"]
    why = (stored.record.failure or "").partition("\n")[0]  # the rest is in the record
    known = [code for code in codes if code != "trial-failed"]
    return TrialEnds(trial, f"invalid: {', '.join([*known, why] if why else codes)}", valid=False)
