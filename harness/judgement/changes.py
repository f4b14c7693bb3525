"""Two runs of the same cells: may they be compared, and what changed from the base to the new one. Pure.

Nothing pairs the trials of two runs, so what the machine drifted between them is in each ratio and not in
its interval. Variants that can be measured in one run are better compared there, block by block.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from harness.ground import stats
from harness.ground.model import Load, Variant, Verdict
from harness.judgement.comparison import (
    METRICS,
    Measured,
    compare,
    is_twin,
    metrics_of,
    name_of,
    noise_floor,
    verdict_of,
)
from harness.judgement.judge import measured, planned_cells, reported_trials, summarise
from harness.judgement.trials import JudgedTrial
from harness.records.run import StoredRun
from harness.records.summary import Summary

Weight = Literal["forbids", "warns", "tells"]
_FORBIDDING = ("cpu_model", "architecture", "cpus_logical", "memory_bytes")
"""Of the fingerprint: where these differ, figures of one machine are compared with another's."""
_TOLD_ELSEWHERE = ("commit", "dirty", "load_average", "harness")


@dataclass(frozen=True, slots=True)
class Difference:
    """Something other than the measured figures in which two runs differ."""

    what: str
    base: str
    new: str
    weight: Weight
    """`forbids` a comparison, `warns` of it, or only `tells` what may be the very question."""


@dataclass(frozen=True, slots=True)
class Change:
    """One cell on one metric: the new run over the base."""

    scenario: str
    load: Load
    variant: str
    """The cell's name."""
    metric: str
    base: float | None
    """The geometric mean over the base run's valid trials."""
    new: float | None
    trials: tuple[int, int]
    """Valid trials of base and new."""
    ratio: float | None
    low: float | None
    high: float | None
    p_holm: float | None
    floor: float
    """As in a comparison; of both runs' A/A pairs the noisiest."""
    verdict: Verdict | None
    """Of the new one: `faster`, `slower`, `tie`, or `invalid` where a side has no valid trial."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Two runs beside each other."""

    base: StoredRun
    new: StoredRun
    summaries: tuple[Summary, Summary]
    """Of base and new."""
    differences: tuple[Difference, ...]
    """The gravest first."""
    changes: tuple[Change, ...]
    """By scenario, load, metric and variant."""


def differences(base: StoredRun, new: StoredRun) -> tuple[Difference, ...]:
    """Return in what two runs differ besides their figures, the gravest first."""
    found = [*_of_machines(base, new), *_of_methods(base, new), *_of_variants(base, new)]
    order = ("forbids", "warns", "tells")
    return tuple(sorted(found, key=lambda one: order.index(one.weight)))


def compare_runs(base: StoredRun, new: StoredRun) -> Compared:
    """Return what differs between two runs, and what changed."""
    trials = reported_trials(base), reported_trials(new)
    return Compared(
        base=base,
        new=new,
        summaries=(summarise(base, trials[0]), summarise(new, trials[1])),
        differences=differences(base, new),
        changes=_changes((base, new), trials),
    )


def _changes(
    runs: tuple[StoredRun, StoredRun], trials: Iterable[Sequence[JudgedTrial]]
) -> tuple[Change, ...]:
    """Return each cell that either run planned, on each metric of its load, twins left out.

    p is adjusted (Holm) within scenario × load × metric; intervals are not.
    """
    sides = [[measured(trial) for trial in of_run] for of_run in trials]
    twins = [one for side in sides for one in compare(side) if is_twin(one.contender, one.base)]
    floors = {metric: noise_floor([one for one in twins if one.metric == metric]) for metric in METRICS}
    cells = [_by_cell(side) for side in sides]
    planned = {key: cell for run in runs for key, cell in planned_cells(run).items()}
    keys = sorted(
        (key for key, cell in planned.items() if not cell.replica),
        key=lambda key: (key[0], repr(key[1]), key[2]),
    )
    groups: dict[tuple[str, Load], list[str]] = {}
    for scenario, load, name in keys:
        groups.setdefault((scenario, load), []).append(name)
    return tuple(
        change
        for (scenario, load), names in groups.items()
        for metric in metrics_of(load)
        for change in _family((scenario, load), names, metric, cells, floors[metric])
    )


_Key = tuple[str, Load, str]


def _by_cell(trials: Sequence[Measured]) -> dict[_Key, list[Measured]]:
    found: dict[_Key, list[Measured]] = {}
    for trial in trials:
        if not trial.cell.replica:
            found.setdefault((trial.cell.scenario, trial.cell.load, name_of(trial.cell)), []).append(trial)
    return found


def _family(
    group: tuple[str, Load],
    names: Sequence[str],
    metric: str,
    cells: Sequence[Mapping[_Key, list[Measured]]],
    floor: float,
) -> Iterator[Change]:
    sides = [[_values(side.get((*group, name), ()), metric) for name in names] for side in cells]
    ratios = [stats.unpaired_ratio(a, b) if a and b else None for a, b in zip(*sides, strict=True)]
    tested = {number: one.p for number, one in enumerate(ratios) if one is not None and one.p is not None}
    p_of = dict(zip(tested, stats.holm(list(tested.values())), strict=True))
    for number, name in enumerate(names):
        base, new, ratio = sides[0][number], sides[1][number], ratios[number]
        p = p_of.get(number)
        yield Change(
            scenario=group[0],
            load=group[1],
            variant=name,
            metric=metric,
            base=stats.geometric_mean(base),
            new=stats.geometric_mean(new),
            trials=(len(base), len(new)),
            ratio=ratio.ratio if ratio else None,
            low=ratio.low if ratio else None,
            high=ratio.high if ratio else None,
            p_holm=p,
            floor=floor,
            verdict="invalid" if ratio is None else verdict_of(metric, ratio, p, floor),
        )


def _values(trials: Sequence[Measured], metric: str) -> list[float]:
    values = (trial.metrics.get(metric) for trial in trials if trial.valid)
    return [value for value in values if value is not None and value > 0]


def _of_machines(base: StoredRun, new: StoredRun) -> Iterator[Difference]:
    for key in sorted({*base.fingerprint, *new.fingerprint} - set(_TOLD_ELSEWHERE)):
        weight: Weight = "forbids" if key in _FORBIDDING else "warns"
        yield from _differing(f"machine: {key}", base.fingerprint.get(key), new.fingerprint.get(key), weight)
    for key in ("harness", "commit"):
        yield from _differing(f"webdyno: {key}", base.fingerprint.get(key), new.fingerprint.get(key), "tells")


def _of_methods(base: StoredRun, new: StoredRun) -> Iterator[Difference]:
    yield from _differing("backend", base.record.backend, new.record.backend, "forbids")
    yield from _differing("network", base.record.network, new.record.network, "forbids")
    for key, value in asdict(base.placement).items():
        yield from _differing(f"placement: {key}", value, asdict(new.placement)[key], "forbids")
    for key, value in asdict(base.timing).items():
        yield from _differing(f"timing: {key}", value, asdict(new.timing)[key], "warns")
    for key in sorted({*base.record.services, *new.record.services}):
        services = base.record.services.get(key), new.record.services.get(key)
        yield from _differing(f"service: {key}", *services, "warns")


def _of_variants(base: StoredRun, new: StoredRun) -> Iterator[Difference]:
    sides = [{variant.id: variant for variant in run.variants} for run in (base, new)]
    for name in sorted(sides[0].keys() & sides[1].keys()):
        for key in ("start", "setup", "tls"):
            lines = _line(sides[0][name], key), _line(sides[1][name], key)
            yield from _differing(f"{name}: {key}", *lines, "tells")
        yield from _differing(
            f"{name}: settings", dict(sides[0][name].settings), dict(sides[1][name].settings), "tells"
        )
        versions = [_versions(run, name) for run in (base, new)]
        for key in sorted({*versions[0], *versions[1]} if all(versions) else ()):
            yield from _differing(f"{name}: {key}", versions[0].get(key), versions[1].get(key), "tells")


def _line(variant: Variant, key: str) -> str:
    return shlex.join(getattr(variant, key)) or "nothing"


def _versions(run: StoredRun, variant: str) -> Mapping[str, str]:
    known = [t.record.versions for t in run.trials if t.record.cell.variant == variant and t.record.versions]
    return known[0] if known else {}


def _differing(what: str, base: object, new: object, weight: Weight) -> Iterator[Difference]:
    if base != new:
        yield Difference(what, _in_words(base), _in_words(new), weight)


def _in_words(value: object) -> str:
    return "unknown" if value is None else str(value)
