"""From a stored run to its summary: findings, figures, limiter and comparisons. Pure.

A cell's figure is the mean over its valid trials with a 95 % t interval (`stats.mean_interval`). A trial's
percentile comes from its whole window's histogram; percentiles are never averaged over time or routes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from harness.ground import stats
from harness.ground.model import Cell, Finding, Load, Severity, Variant
from harness.judgement import scaling
from harness.judgement.capacity import reported
from harness.judgement.checks.pairs import aa_differs, few_blocks, tls_differs, unstable
from harness.judgement.comparison import (
    Measured,
    block_ratios,
    by_name,
    common,
    compare,
    is_twin,
    name_of,
    order_of,
    ranked_by,
)
from harness.judgement.figures import Latency, TrialFigures
from harness.judgement.limiter import cell_limiter
from harness.judgement.resources import Use
from harness.judgement.rules import BY_CODE
from harness.judgement.trials import CellKey, JudgedTrial, by_cell, judge_trials, key_of
from harness.records.run import StoredRun
from harness.records.summary import (
    SCHEMA,
    CellFinding,
    CellSummary,
    Comparison,
    Cpu,
    Figure,
    Memory,
    Resource,
    SendLag,
    Summary,
    Times,
    VariantLabel,
)
from harness.records.wishes import base_of

_SEVERITIES: tuple[Severity, ...] = ("invalid", "warning", "note")


def judge(run: StoredRun) -> Summary:
    """Return the summary of a run, sealed or not: every planned cell, measured or not."""
    return summarise(run, reported_trials(run))


def summarise(run: StoredRun, trials: Sequence[JudgedTrial]) -> Summary:
    """Return the summary of a run from its reported trials, for those who need these as well."""
    all_measured = [measured(trial) for trial in trials]
    comparisons = compare(all_measured)
    cells = planned_cells(run)
    of_cells = by_cell(trials)
    agreed = {key: _agreed(of_cells.get(key, ())) for key in cells}
    of_pairs = _pair_findings(all_measured, comparisons)
    for key, found in _tls_findings(agreed).items():
        of_pairs.setdefault(key, []).append(found)
    variants = {variant.id: variant for variant in run.variants}
    return Summary(
        schema=SCHEMA,
        run=run.id,
        suite=run.suite,
        cells=tuple(
            _summarise(
                cell,
                variants.get(cell.variant),
                of_cells.get(key, ()),
                agreed[key],
                of_pairs.get(key, ()),
            )
            for key, cell in cells.items()
        ),
        comparisons=comparisons,
        scaling=scaling.curves(all_measured, run.variants, run.placement),
    )


def reported_trials(run: StoredRun) -> tuple[JudgedTrial, ...]:
    """Return the trials that enter figures: all, but of a search for capacity the one that tells its end."""
    return reported(run, judge_trials(run))


def planned_cells(run: StoredRun) -> dict[CellKey, Cell]:
    """Return the cells of all stages by scenario, load, variant and replica."""
    cells = {key_of(trial.cell): trial.cell for stage in run.stages for trial in stage.trials}
    cells |= {key_of(trial.record.cell): trial.record.cell for trial in run.trials}
    return dict(sorted(cells.items(), key=lambda item: (item[0][0], order_of(item[0][1]), item[0][2])))


def measured(trial: JudgedTrial) -> Measured:
    """Return a trial as comparisons see it."""
    figures, record = trial.figures, trial.stored.record
    return Measured(
        cell=replace(record.cell, load=common(record.cell.load)),
        block=record.block,
        valid=trial.valid,
        metrics={
            "requests_per_s": figures.requests_per_s,
            "response_ms.p50": figures.response_ms.p50,
            "response_ms.p99": figures.response_ms.p99,
            "cpu.us_per_request": figures.cpu_us_per_request,
            "cpu.yardsticks_per_request": figures.cpu_yardsticks_per_request,
            "memory_mib.mean": figures.memory_mean_mib,
        },
    )


def _summarise(
    cell: Cell,
    variant: Variant | None,
    trials: Sequence[JudgedTrial],
    agreed: Collection[str],
    of_pairs: Iterable[Finding],
) -> CellSummary:
    valid = [trial.figures for trial in trials if trial.valid]
    of_cell = [found for found in (few_blocks(_blocks(trials)), *of_pairs) if found is not None]

    def figure(pick: Callable[[TrialFigures], float | None]) -> Figure | None:
        return _figure([pick(one) for one in valid])

    return CellSummary(
        variant=_label(cell, variant, trials),
        scenario=cell.scenario,
        load=common(cell.load),
        trials=len(trials),
        valid_trials=len(valid),
        requests_per_s=figure(lambda one: one.requests_per_s),
        response_ms=_times([one.response_ms for one in valid]),
        service_ms=_times([one.service_ms for one in valid]),
        send_lag_ms=SendLag(
            mean=figure(lambda one: one.send_lag_mean_ms),
            idle_p99=figure(lambda one: one.send_lag_idle_p99_ms),
        ),
        errors_percent=figure(lambda one: one.errors_percent),
        cpu=Cpu(
            cores=figure(lambda one: one.cpu_cores),
            percent_of_cap=figure(lambda one: one.cpu_percent_of_cap),
            us_per_request=figure(lambda one: one.cpu_us_per_request),
            yardsticks_per_request=figure(lambda one: one.cpu_yardsticks_per_request),
            throttled_percent=figure(lambda one: one.throttled_percent),
        ),
        memory_mib=Memory(
            idle=figure(lambda one: one.memory_idle_mib),
            mean=figure(lambda one: one.memory_mean_mib),
            peak=figure(lambda one: one.memory_peak_mib),
            kernel_peak=figure(lambda one: one.memory_kernel_peak_mib),
            cache=figure(lambda one: one.memory_cache_mib),
        ),
        startup_s=figure(lambda one: one.startup_s),
        users_served=figure(lambda one: one.users_served),
        in_flight=figure(lambda one: one.in_flight),
        connections_opened=figure(lambda one: one.connections_opened),
        tls=tuple(sorted(agreed)),
        hit_rate=figure(lambda one: one.hit_rate),
        services_cpu_cores=figure(lambda one: one.services_cpu_cores),
        generator_cpu_cores=figure(lambda one: one.generator_cpu_cores),
        resources=_resources([trial.uses for trial in trials if trial.valid]),
        limiter=cell_limiter([trial.limiter for trial in trials if trial.valid or not valid]),
        findings=merge_findings(trials, of_cell),
    )


def _blocks(trials: Iterable[JudgedTrial]) -> int:
    return len({trial.stored.record.block for trial in trials if trial.valid})


def _label(cell: Cell, variant: Variant | None, trials: Sequence[JudgedTrial]) -> VariantLabel:
    known = [trial.stored.record.versions for trial in trials if trial.stored.record.versions]
    settings = {**(variant.settings if variant else {}), **cell.settings}
    versions = dict(known[0]) if known else {}
    cap = variant.cpus if variant else None
    return VariantLabel(base_of(cell.variant), name_of(cell), settings, versions, cell.replica, cap)


def _figure(values: Iterable[float | None]) -> Figure | None:
    """Over the trials that have one; a figure that some valid trials lack is still theirs that do."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    mean = stats.mean_interval(known)
    return Figure(mean.value, mean.low, mean.high)


def _resources(trials: Sequence[Sequence[Use]]) -> tuple[Resource, ...]:
    return tuple(
        Resource(
            resource=of_resource[0].resource,
            utilisation_percent=_figure(one.utilisation_percent for one in of_resource),
            saturation_percent=_figure(one.saturation_percent for one in of_resource),
            errors=_figure(one.errors for one in of_resource),
        )
        for of_resource in zip(*trials, strict=True)
    )


def _times(latencies: Sequence[Latency]) -> Times:
    return Times(
        mean=_figure(one.mean for one in latencies),
        p50=_figure(one.p50 for one in latencies),
        p90=_figure(one.p90 for one in latencies),
        p99=_figure(one.p99 for one in latencies),
        p999=_figure(one.p999 for one in latencies),
        max=_figure(one.max for one in latencies),
    )


def merge_findings(trials: Sequence[JudgedTrial], of_cell: Iterable[Finding]) -> tuple[CellFinding, ...]:
    """Return each finding once, with its worst figure and its trials; the severe ones first."""
    shared: dict[tuple[str, Severity, str, str], tuple[list[float], list[int]]] = {}
    of_trials = [(found, trial.stored.record.number) for trial in trials for found in trial.findings]
    for found, number in [*of_trials, *((found, None) for found in of_cell)]:
        key = (found.code, found.severity, found.threshold, found.remedy)
        figures, numbers = shared.setdefault(key, ([], []))
        figures += [] if found.figure is None else [found.figure]
        numbers += [] if number is None else [number]
    merged = [
        CellFinding(code, severity, _worst(code, figures), threshold, tuple(numbers), remedy)
        for (code, severity, threshold, remedy), (figures, numbers) in shared.items()
    ]
    return tuple(sorted(merged, key=lambda one: (_SEVERITIES.index(one.severity), one.code, one.threshold)))


def _worst(code: str, figures: Sequence[float]) -> float | None:
    return (min if BY_CODE[code].lower_is_worse else max)(figures, default=None)


def _pair_findings(
    measured: Sequence[Measured], comparisons: Sequence[Comparison]
) -> dict[CellKey, list[Finding]]:
    """Return the findings of pairs on the metric that ranks, given to both of their cells."""
    found: dict[CellKey, list[Finding]] = {}
    together: dict[tuple[str, Load], list[Measured]] = {}
    for one in measured:
        together.setdefault((one.cell.scenario, one.cell.load), []).append(one)
    by_names = {key: by_name(of_key) for key, of_key in together.items()}
    for pair in comparisons:
        twins = is_twin(pair.contender, pair.base)
        if pair.metric != ranked_by(pair.load) or (pair.ratio is None and not twins):
            continue  # a pair of variants without a ratio has a verdict that says so
        named = by_names[pair.scenario, pair.load]
        ratios = block_ratios(named[pair.base], named[pair.contender], pair.metric)
        judged = [unstable(stats.coefficient_of_variation(ratios))]
        if twins:
            judged.append(aa_differs(pair.ratio, pair.low, pair.high))
        for name in (pair.base, pair.contender):
            found.setdefault((pair.scenario, pair.load, name), []).extend(f for f in judged if f is not None)
    return found


def _agreed(trials: Iterable[JudgedTrial]) -> frozenset[str]:
    """Return what the connections of a cell agreed on by TLS, in all of its trials."""
    loads = (trial.stored.record.load for trial in trials)
    return frozenset(agreement for load in loads if load is not None for agreement in load.tls)


def _tls_findings(agreed: Mapping[CellKey, frozenset[str]]) -> Mapping[CellKey, Finding]:
    """Return a finding for each cell by TLS whose scenario and load agreed on more than one thing."""
    together: dict[tuple[str, Load], set[str]] = {}
    for (scenario, load, _), own in agreed.items():
        together.setdefault((scenario, load), set()).update(own)
    found = {key: tls_differs(own, together[key[:2]]) for key, own in agreed.items()}
    return {key: finding for key, finding in found.items() if finding is not None}
