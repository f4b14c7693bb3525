"""Each stored trial with what follows from it alone: figures, findings, limiter. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.ground.model import Cell, Finding, Limiter, Load
from harness.judgement.comparison import common, name_of
from harness.judgement.figures import TrialFigures, trial_figures
from harness.judgement.limiter import trial_limiter
from harness.judgement.moments import SAMPLED, SERIES, Moment, moments
from harness.judgement.resources import Use, uses
from harness.judgement.validity import is_valid, trial_findings
from harness.records.run import StoredRun, StoredTrial

CellKey = tuple[str, Load, str]
"""Scenario, load, and the cell's name."""


@dataclass(frozen=True, slots=True)
class JudgedTrial:
    """A stored trial with what follows from it."""

    stored: StoredTrial
    figures: TrialFigures
    uses: tuple[Use, ...]
    findings: tuple[Finding, ...]
    limiter: Limiter
    valid: bool
    moments: Mapping[int, Moment]
    """What it did in each second, by its number; 0 is the window's first."""
    probes: tuple[JudgedTrial, ...] = ()
    """Of a trial that tells what a search for a capacity found: its probes, in their order."""


def judge_trials(run: StoredRun) -> tuple[JudgedTrial, ...]:
    """Return each stored trial with its figures, findings and limiter, in the order of execution."""
    return tuple(
        _judge_trial(run, trial) for trial in sorted(run.trials, key=lambda trial: trial.record.number)
    )


def key_of(cell: Cell) -> CellKey:
    """Return what tells a cell from the others of its run."""
    return cell.scenario, common(cell.load), name_of(cell)


def by_cell(trials: Iterable[JudgedTrial]) -> dict[CellKey, list[JudgedTrial]]:
    """Return trials by their cell, in their order."""
    found: dict[CellKey, list[JudgedTrial]] = {}
    for trial in trials:
        found.setdefault(key_of(trial.stored.record.cell), []).append(trial)
    return found


def _judge_trial(run: StoredRun, trial: StoredTrial) -> JudgedTrial:
    placement = run.placement_of(trial.record.cell.variant)
    series, samples = trial.series(*SERIES), trial.samples(*SAMPLED)
    figures = trial_figures(trial, placement, samples)
    ceiling = run.record.ceiling(trial.record.cell.scenario)
    findings = trial_findings(trial.record, placement, series, ceiling)
    used = uses(trial.record, figures, placement)
    limiter = trial_limiter(figures, used, trial.record.cell.load, findings)
    course = moments(trial.record, series, samples)
    return JudgedTrial(trial, figures, used, findings, limiter, is_valid(findings), course)
