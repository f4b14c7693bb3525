"""The stage in which load is equal: derived from what the stages before it measured. Pure.

At one rate, below what the slowest can do, response times, CPU and memory say what the same work costs. Under
a closed load each variant is at its own limit, and a faster one does more work. At an equal share of each
one's own capacity they say how it does when it is as busy as the others.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.ground.model import Cell, Load, PlannedTrial, Stage
from harness.judgement.trials import judge_trials
from harness.records.run import RunRecord, StoredRun

STAGE = "equal load"


def next_stage(run: StoredRun) -> Stage | None:
    """Return the stage that follows those that a run has; None where it is complete with them.

    For each scenario with a closed load, the cells of its largest one are repeated under `rate`: all at the
    run's `equal_load` times the capacity of the slowest, and each at every share of `own_shares` of its own.
    A capacity is the mean requests/s of valid trials. A cell without a valid trial has none, and is left out.
    Raises nothing; asked before a stage is done, it returns None.
    """
    record = run.record
    asked = record.equal_load is not None or record.own_shares
    if not asked or run.missing or any(stage.name == STAGE for stage in run.stages):
        return None
    capacities = _capacities(run)
    order = random.Random(f"{run.seed} {STAGE}")  # noqa: S311 - an order that can be repeated, not a secret
    first = run.planned + 1
    trials: list[PlannedTrial] = []
    for block in range(1, run.blocks + 1):
        for found in capacities.values():
            for cells in _loads(found, record):
                order.shuffle(cells)
                trials += [PlannedTrial(first + len(trials) + n, block, cell) for n, cell in enumerate(cells)]
    return Stage(STAGE, tuple(trials)) if trials else None


def _capacities(run: StoredRun) -> dict[str, list[tuple[Cell, float]]]:
    """Return by scenario each cell of its largest closed load with its mean requests/s."""
    rates: dict[str, dict[int, list[tuple[Cell, float]]]] = {}
    for one in judge_trials(run):
        cell, rate = one.stored.record.cell, one.figures.requests_per_s
        if cell.load.profile == "closed" and one.valid and rate is not None:
            rates.setdefault(cell.scenario, {}).setdefault(cell.load.users, []).append((cell, rate))
    return {scenario: _means(by_users[max(by_users)]) for scenario, by_users in rates.items()}


def _means(found: Sequence[tuple[Cell, float]]) -> list[tuple[Cell, float]]:
    cells: list[Cell] = []
    for cell, _ in found:
        if cell not in cells:
            cells.append(cell)
    means = []
    for cell in cells:
        own = [rate for each, rate in found if each == cell]
        means.append((cell, sum(own) / len(own)))
    return means


def _loads(found: Sequence[tuple[Cell, float]], record: RunRecord) -> Iterator[list[Cell]]:
    """Yield the cells of each load: one rate for all, then each share of their own."""
    if record.equal_load is not None:
        yield _at_one_rate(found, record.equal_load)
    for share in record.own_shares:
        yield [
            replace(cell, load=Load("rate", cell.load.users, round(share * capacity, 1), share=share))
            for cell, capacity in found
        ]


def _at_one_rate(found: Sequence[tuple[Cell, float]], share: float) -> list[Cell]:
    rate = round(share * min(capacity for _, capacity in found), 1)
    loads: Mapping[int, Load] = {cell.load.users: Load("rate", cell.load.users, rate) for cell, _ in found}
    return [replace(cell, load=loads[cell.load.users]) for cell, _ in found]
