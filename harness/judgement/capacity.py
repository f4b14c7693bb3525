"""The highest rate at which a variant keeps its p99 within a bound (SLO): searched anew in each block. Pure.

Each step of a search is a trial of the profile `capacity`: requests are due on a schedule, as under `rate`,
so a p99 holds the time for which requests waited for a late user, too. The steps of all variants are taken
together, in an order of their own, one stage after the other, so that drift of the machine falls on all.
What a block found is then one trial like any other: the one that confirmed the rate.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.ground.model import Cell, PlannedTrial, Stage
from harness.judgement.rules import broken
from harness.judgement.search import FINENESS, MOST_GROWTH, Bounds, End, Outcome, Probe, Step, step
from harness.judgement.trials import CellKey, JudgedTrial, judge_trials, key_of
from harness.records.run import StoredRun

STAGE = "capacity"
FAR = MOST_GROWTH
"""The growth of the first block's search, of which nobody knows where it ends."""
NEAR = FINENESS**2
"""The growth of a later block's search, which begins where the one before ended."""
LEAST_REQUESTS = 120
"""In a window: a p99 needs a hundred, and chance may leave some out."""
UNKNOWN_CEILING_PER_S = 50_000.0
"""The highest rate that is asked for where the generator's own was not measured."""
_NOT_ITS_OWN = frozenset(
    (
        "generator-busy",
        "generator-stall",
        "worker-lost",
        "worker-imbalance",
        "count-mismatch",
        "hit-rate",
        "scenario-mistakes",
        "trial-failed",
    )
)
"""What says nothing of the rate that was asked for."""
_ITS_OWN = frozenset(("sut-crashed", "sut-restarted", "oom-killed"))
"""What a SUT that breaks at a rate has missed it by, whatever else is found."""
_CODE: Mapping[End, str] = {
    "beyond": "capacity-beyond",
    "never": "slo-never-met",
    "unclear": "capacity-unclear",
}


@dataclass(frozen=True, slots=True)
class _Search:
    """One cell's search in one block."""

    block: int
    cell: Cell
    trials: tuple[JudgedTrial, ...]

    @property
    def probes(self) -> tuple[Probe, ...]:
        return tuple(Probe(_rate_of(trial), outcome(trial)) for trial in self.trials)


def next_stage(run: StoredRun) -> Stage | None:
    """Return one more step of every search that goes on, else the first of the next block.

    None where no load is of this profile, where trials are missing, and where all blocks are done.
    """
    if run.missing or not any(_is_probe(trial.cell) for stage in run.stages for trial in stage.trials):
        return None
    latest = max(trial.record.block for trial in run.trials if _is_probe(trial.record.cell))
    recent = tuple(
        t for t in run.trials if _is_probe(t.record.cell) and t.record.block in (latest - 1, latest)
    )
    searches = _searches(judge_trials(replace(run, trials=recent)))
    steps = {
        key: _step(run, search, searches.get((key[0], latest - 1)))
        for key, search in searches.items()
        if search.block == latest
    }
    cells = [_at(searches[key].cell, found.rate_per_s) for key, found in steps.items() if found.end is None]
    if cells:
        return _stage(run, latest, cells)
    if latest >= run.blocks:
        return None
    return _stage(run, latest + 1, [_at(searches[key].cell, one.rate_per_s) for key, one in steps.items()])


def reported(run: StoredRun, trials: Iterable[JudgedTrial]) -> tuple[JudgedTrial, ...]:
    """Return the trials that enter figures: of each search the one that tells what it found, and all others.

    That trial has the rate that was asked for as its requests/s, and what bounded the search as its limiter.
    A search that found nothing is an invalid trial with its reason, and one that goes on is none yet.
    """
    everything = tuple(trials)
    searches = _searches(everything).values()
    found = [(search, _found(run, search)) for search in searches]
    others = [trial for trial in everything if not _is_probe(trial.stored.record.cell)]
    told = [*others, *(replace(one, probes=search.trials) for search, one in found if one is not None)]
    return tuple(sorted(told, key=lambda trial: trial.stored.record.number))


def outcome(trial: JudgedTrial) -> Outcome:
    """Tell whether a trial kept its SLO; `unclear` where something other than the SUT was in the way."""
    codes = {finding.code for finding in trial.findings if finding.severity == "invalid"}
    if codes & _ITS_OWN:
        return "missed"
    if codes & _NOT_ITS_OWN:
        return "unclear"
    slo_ms, p99_ms = trial.stored.record.cell.load.slo_ms, trial.figures.response_ms.p99
    assert slo_ms is not None, "a load of this profile has one"
    return "met" if not codes and p99_ms is not None and p99_ms <= slo_ms else "missed"


def _found(run: StoredRun, search: _Search) -> JudgedTrial | None:
    ended = _step(run, search, None)
    at_rate = [trial for trial in search.trials if _rate_of(trial) == ended.rate_per_s]
    if ended.end is None or not at_rate:
        return None
    last = at_rate[-1]
    if ended.end in ("never", "unclear"):
        finding = broken(_CODE[ended.end], ended.rate_per_s if ended.end == "never" else None)
        return replace(last, findings=(*last.findings, finding), valid=False)
    met = [trial for trial in at_rate if outcome(trial) == "met"][-1]
    figures = replace(met.figures, requests_per_s=ended.rate_per_s)
    if ended.end == "beyond":
        return replace(met, figures=figures, findings=(*met.findings, broken(_CODE["beyond"], None)))
    missed = [trial for trial in search.trials if outcome(trial) == "missed"]
    bound = min(missed, key=lambda trial: (_rate_of(trial), -trial.stored.record.number))
    return replace(met, figures=figures, limiter=bound.limiter)


def _searches(trials: Sequence[JudgedTrial]) -> dict[tuple[CellKey, int], _Search]:
    """Return the searches by cell and block, in the order in which they began."""
    probes = [trial for trial in trials if _is_probe(trial.stored.record.cell)]
    keys = dict.fromkeys((key_of(one.stored.record.cell), one.stored.record.block) for one in probes)
    found = {}
    for key in keys:
        own = tuple(one for one in probes if (key_of(one.stored.record.cell), one.stored.record.block) == key)
        found[key] = _Search(key[1], own[0].stored.record.cell, own)
    return found


def _step(run: StoredRun, search: _Search, before: _Search | None) -> Step:
    growth = FAR if before is None else NEAR
    window_s = run.timing.window_s
    ceiling = run.record.ceiling(search.cell.scenario)
    most = UNKNOWN_CEILING_PER_S if ceiling is None else ceiling / 2
    bounds = Bounds(_rate_of(search.trials[0]), growth, LEAST_REQUESTS / window_s, most)
    return step(search.probes, bounds)


def _stage(run: StoredRun, block: int, cells: Sequence[Cell]) -> Stage:
    number = run.planned + 1
    chance = random.Random(f"{run.seed} {STAGE} {number}")  # noqa: S311 - an order that can be repeated
    ordered = chance.sample(cells, len(cells))
    trials = tuple(PlannedTrial(number + place, block, cell) for place, cell in enumerate(ordered))
    return Stage(f"{STAGE}, block {block}", trials)


def _at(cell: Cell, rate_per_s: float) -> Cell:
    return replace(cell, load=replace(cell.load, rate_per_s=rate_per_s))


def _rate_of(trial: JudgedTrial) -> float:
    rate = trial.stored.record.cell.load.rate_per_s
    assert rate is not None, "a load of this profile has one"
    return rate


def _is_probe(cell: Cell) -> bool:
    return cell.load.profile == "capacity"
