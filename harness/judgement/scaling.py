"""How throughput goes with users, workers, threads and CPUs: curves over levels, and a fitted law. Pure.

A curve needs three levels of one thing with all else equal. What lies between levels or beyond them is none
of its figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.ground import stats, usl
from harness.ground.errors import UsageError
from harness.ground.model import Load, Placement, Variant
from harness.ground.placeholders import fill
from harness.judgement.comparison import GIVEN, Measured
from harness.records.summary import Figure, ScalingCurve, ScalingFit, ScalingPoint
from harness.records.wishes import Wish, parse

LEAST_LEVELS = 3
"""Two points are a comparison."""
_USERS, _CPUS = "users", "cpus"
_SETTINGS = ("workers", "threads")
"""The settings that say how much may go on at once; of others no law of scaling speaks."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A variant on a scenario under a closed load, with its trials."""

    variant: Variant
    scenario: str
    load: Load
    cpus: float
    trials: tuple[Measured, ...]

    def level(self, varied: str) -> float | None:
        """Return where it stands on what is varied; None where it does not have that as a number."""
        if varied == _USERS:
            return float(self.load.users)
        if varied == _CPUS:
            return self.cpus
        text = fill(str(self.variant.settings.get(varied, "")), {"cpus": str(max(1, math.ceil(self.cpus)))})
        return float(text) if text.isdecimal() and int(text) > 0 else None

    def rest(self, varied: str) -> tuple[object, ...]:
        """Return all else, which rows of one curve have alike."""
        variant = self.variant
        return (
            variant.folder,
            variant.pins,
            variant.python,
            tuple(sorted((k, str(v)) for k, v in variant.settings.items() if k != varied)),
            None if varied == _CPUS else self.cpus,
            self.scenario,
            replace(self.load, users=0) if varied == _USERS else self.load,
        )

    def says(self, varied: str) -> bool:
        """Tell whether its name says where it stands."""
        wish = _wish(self.variant.id)
        return wish.cpus is not None if varied == _CPUS else varied in dict(wish.settings)

    def name(self, varied: str) -> str:
        """Return its name without what is varied."""
        wish = _wish(self.variant.id)
        if varied == _CPUS:
            return str(replace(wish, cpus=None))
        return str(replace(wish, settings=tuple(pair for pair in wish.settings if pair[0] != varied)))


def _wish(name: str) -> Wish:
    """Return a name in its parts; a record from elsewhere may have one that can't be read."""
    try:
        return parse(name)
    except UsageError:
        return Wish(name)


def curves(
    trials: Sequence[Measured], variants: Sequence[Variant], placement: Placement
) -> tuple[ScalingCurve, ...]:
    """Return a curve for each variant and scenario with three levels or more of one thing, all else equal.

    Levels are those of closed loads; twins of A/A pairs are left out.
    """
    rows = _rows(trials, {variant.id: variant for variant in variants}, placement)
    found = [
        _curve(varied, by_level)
        for varied in (_USERS, *_SETTINGS, _CPUS)
        for by_level in _families(rows, varied)
        if len(by_level) >= LEAST_LEVELS
    ]
    return tuple(found)


def _rows(
    trials: Sequence[Measured], variants: Mapping[str, Variant], placement: Placement
) -> tuple[_Row, ...]:
    cells: dict[tuple[str, str, Load], list[Measured]] = {}
    for trial in trials:
        cell = trial.cell
        if (
            cell.load.profile == "closed"
            and not cell.replica
            and not cell.settings
            and cell.variant in variants
        ):
            cells.setdefault((cell.variant, cell.scenario, cell.load), []).append(trial)
    return tuple(
        _Row(variants[name], scenario, load, placement.of(variants[name]).caps.cpus, tuple(own))
        for (name, scenario, load), own in sorted(
            cells.items(), key=lambda item: (item[0][1], item[0][0], repr(item[0][2]))
        )
    )


def _families(rows: Sequence[_Row], varied: str) -> Iterator[dict[float, _Row]]:
    """Yield rows that differ in one thing alone, by level; of two at one level the one whose name says so."""
    families: dict[tuple[object, ...], dict[float, _Row]] = {}
    for row in rows:
        level = row.level(varied)
        if level is not None:
            family = families.setdefault(row.rest(varied), {})
            if level not in family or row.says(varied):
                family[level] = row
    yield from (dict(sorted(family.items())) for family in families.values())


def _curve(varied: str, by_level: Mapping[float, _Row]) -> ScalingCurve:
    rates = {level: found for level, row in by_level.items() if (found := _of_blocks(row, GIVEN))}
    fitted = usl.fit(rates) if rates else "no level has a valid trial"
    law = None if isinstance(fitted, str) else fitted
    residuals = dict(zip(rates, law.residuals, strict=True)) if law else {}
    last = list(by_level.values())[-1]
    return ScalingCurve(
        variant=last.name(varied),
        scenario=last.scenario,
        load=last.load,
        varied=varied,
        points=tuple(
            ScalingPoint(
                level=level,
                trials=len(row.trials),
                valid_trials=sum(trial.valid for trial in row.trials),
                requests_per_s=_figure(rates.get(level, {})),
                response_p99_ms=_figure(_of_blocks(row, "response_ms.p99")),
                cpu_us_per_request=_figure(_of_blocks(row, "cpu.us_per_request")),
                efficiency_percent=_efficiency(level, rates),
                residual_percent=100 * residuals[level] if level in residuals else None,
            )
            for level, row in by_level.items()
        ),
        fit=_fit(law, min(rates), max(rates)) if law else None,
        no_fit=fitted if isinstance(fitted, str) else "",
    )


def _of_blocks(row: _Row, metric: str) -> dict[int, float]:
    """Return valid trials' values by block; zero is no point of a curve whose levels are compared."""
    values = ((trial.block, trial.metrics.get(metric)) for trial in row.trials if trial.valid)
    return {block: value for block, value in values if value is not None and value > 0}


def _figure(by_block: Mapping[int, float]) -> Figure | None:
    if not by_block:
        return None
    mean = stats.mean_interval(list(by_block.values()))
    return Figure(mean.value, mean.low, mean.high)


def _efficiency(level: float, rates: Mapping[float, Mapping[int, float]]) -> Figure | None:
    lowest = min(rates, default=level)
    here, base = rates.get(level, {}), rates.get(lowest, {})
    blocks = sorted(here.keys() & base.keys())
    if not blocks:
        return None
    ratio = stats.paired_ratio([base[block] for block in blocks], [here[block] for block in blocks])
    percent = 100 * lowest / level
    low, high = (None if bound is None else percent * bound for bound in (ratio.low, ratio.high))
    return Figure(percent * ratio.ratio, low, high)


def _fit(fitted: usl.Fit, lowest: float, highest: float) -> ScalingFit:
    peak = fitted.peak
    told = lowest <= peak.value <= highest and not fitted.poor
    return ScalingFit(
        rate_per_s=_finite(fitted.rate),
        contention=_finite(fitted.contention),
        coherence=_finite(fitted.coherence),
        peak=_within(peak, lowest, highest) if told else None,
        greatest_residual_percent=100 * fitted.greatest_residual,
        poor=fitted.poor,
    )


def _finite(mean: stats.Mean) -> Figure:
    """Return a parameter whose bound is None where draws had no finite one."""
    return _within(mean, -math.inf, math.inf)


def _within(mean: stats.Mean, lowest: float, highest: float) -> Figure:
    low, high = (
        None if bound is None or not math.isfinite(bound) or not lowest <= bound <= highest else bound
        for bound in (mean.low, mean.high)
    )
    return Figure(mean.value, low, high)
