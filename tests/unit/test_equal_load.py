from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import synthetic

from harness.ground.model import Load
from harness.judgement.comparison import common
from harness.judgement.equal_load import STAGE, next_stage
from harness.output import wording
from harness.records.run import StoredRun
from harness.records.store import Results


def made(share: float | None = 0.5, blocks: int = 5) -> StoredRun:
    """Return a complete run of three variants on two scenarios that is to end at equal load."""
    run = synthetic.run(blocks=blocks)
    return replace(run, record=replace(run.record, equal_load=share))


def test_all_get_half_of_what_the_slowest_does() -> None:
    """On each scenario one rate, of the slowest's mean over its valid trials; users stay as they were."""
    stage = next_stage(made())
    assert stage is not None
    loads = {(trial.cell.scenario, trial.cell.load) for trial in stage.trials}
    assert len(loads) == 2
    rates = {scenario: load.rate_per_s for scenario, load in loads}
    assert {load.profile for _, load in loads} == {"rate"}
    assert {load.users for _, load in loads} == {synthetic.USERS}
    assert rates["hello"] == pytest.approx(3480 / 2, rel=0.06)
    assert rates["history"] == pytest.approx(3480 / 4, rel=0.06)


def test_each_block_holds_every_cell_once_and_numbers_go_on() -> None:
    """Twins too; the order differs between blocks, and is the same when asked again."""
    run = made(blocks=6)
    stage = next_stage(run)
    assert stage is not None
    assert [trial.number for trial in stage.trials] == list(range(run.planned + 1, 2 * run.planned + 1))
    orders = []
    for block in range(1, 7):
        of_block = [t.cell for t in stage.trials if t.block == block and t.cell.scenario == "hello"]
        assert len(of_block) == 4
        assert len({(cell.variant, cell.replica) for cell in of_block}) == 4
        orders.append([(cell.variant, cell.replica) for cell in of_block])
    assert len({str(order) for order in orders}) > 1
    assert next_stage(run) == stage


def test_of_several_closed_loads_the_largest_is_repeated() -> None:
    """What few users get out of a variant is not its capacity."""
    run = made()
    few = Load("closed", 10)
    smaller = tuple(
        replace(
            one,
            record=replace(
                one.record,
                number=one.record.number + run.planned,
                cell=replace(one.record.cell, load=few),
                load=None if one.record.load is None else replace(one.record.load, requests=800),
            ),
        )
        for one in run.trials
    )
    both = synthetic.with_trials(run, *smaller, *run.trials)
    stage = next_stage(both)
    assert stage is not None
    assert len(stage.trials) == run.planned
    assert {trial.cell.load.users for trial in stage.trials} == {synthetic.USERS}


def test_an_invalid_cell_is_left_out_and_sets_no_rate() -> None:
    """Were its rate counted, all would be measured at half of nothing."""
    stage = next_stage(
        replace(
            synthetic.with_errors(made(), "django-gunicorn", "history", range(1, 6)), record=made().record
        )
    )
    assert stage is not None
    on_history = [trial.cell for trial in stage.trials if trial.cell.scenario == "history"]
    assert {cell.variant for cell in on_history} == {"fastapi-uvicorn", "flask-gunicorn"}
    assert on_history[0].load.rate_per_s == pytest.approx(3500 / 4, rel=0.06)


def test_there_is_none_before_the_trials_are_there_nor_after_it_nor_unasked() -> None:
    """Nothing is derived from half of a run, or twice."""
    run = made()
    stage = next_stage(run)
    assert stage is not None
    assert next_stage(replace(run, trials=run.trials[:-1])) is None
    assert next_stage(made(share=None)) is None
    done = replace(run, record=replace(run.record, stages=(*run.stages, replace(stage, trials=()))))
    assert next_stage(done) is None


def test_a_run_without_a_closed_load_has_no_such_stage() -> None:
    """A given rate finds no capacity."""
    run = made()
    at_a_rate = tuple(
        replace(
            one,
            record=replace(
                one.record, cell=replace(one.record.cell, load=Load("rate", synthetic.USERS, 100.0))
            ),
        )
        for one in run.trials
    )
    assert next_stage(replace(run, trials=at_a_rate)) is None


def test_each_gets_shares_of_what_it_does_itself() -> None:
    """A load for each share, under which every variant has a rate of its own, in one table."""
    run = replace(made(share=None), record=replace(made().record, equal_load=None, own_shares=(0.5, 0.8)))
    stage = next_stage(run)
    assert stage is not None
    assert len(stage.trials) == 2 * run.planned
    rates = {
        (trial.cell.variant, trial.cell.load.share): trial.cell.load.rate_per_s
        for trial in stage.trials
        if trial.cell.scenario == "hello" and not trial.cell.replica
    }
    assert rates["fastapi-uvicorn", 0.5] == pytest.approx(3600, rel=0.06)
    assert rates["fastapi-uvicorn", 0.8] == pytest.approx(5760, rel=0.06)
    assert rates["flask-gunicorn", 0.5] == pytest.approx(1750, rel=0.06)
    shown = {common(trial.cell.load) for trial in stage.trials}
    assert {(load.share, load.rate_per_s) for load in shown} == {(0.5, None), (0.8, None)}
    assert "50 % of its own capacity" in wording.load(next(load for load in shown if load.share == 0.5))


def test_one_rate_and_shares_of_their_own_are_measured_in_one_stage() -> None:
    """In every block first the one, then the others."""
    run = replace(made(), record=replace(made().record, own_shares=(0.8,)))
    stage = next_stage(run)
    assert stage is not None
    of_block = [trial.cell.load.share for trial in stage.trials if trial.block == 1]
    assert of_block == [None] * 4 + [0.8] * 4 + [None] * 3 + [0.8] * 3


def test_the_stage_is_written_down_and_read_back(tmp_path: Path) -> None:
    """A run that ends amid it knows what is missing."""
    results = Results(tmp_path)
    run = synthetic.on_disk(made(), tmp_path)
    stage = next_stage(run)
    assert stage is not None
    results.extend(run, stage)
    again = results.find(run.id)
    assert [one.name for one in again.stages] == [run.stages[0].name, STAGE]
    assert again.missing == tuple(trial.number for trial in stage.trials)
    assert next_stage(again) is None
