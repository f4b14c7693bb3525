from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic

from harness.ground.model import Cell, Load, PlannedTrial, Stage
from harness.judgement.capacity import next_stage, outcome
from harness.judgement.judge import judge
from harness.judgement.trials import judge_trials
from harness.output import tables
from harness.records.run import StoredRun
from harness.records.store import Results

LOAD = Load("capacity", synthetic.USERS, 1000.0, slo_ms=150.0)
CAPACITIES = {"fastapi-uvicorn": 7000.0, "flask-gunicorn": 3000.0}


def begun(names: tuple[str, ...], blocks: int) -> StoredRun:
    """Return a run whose plan has the first probe of each variant."""
    record = synthetic.run_record(tuple(map(synthetic.variant, names)), blocks)
    first = tuple(PlannedTrial(n, 1, Cell(name, "hello", LOAD)) for n, name in enumerate(names, 1))
    return StoredRun(
        Path("results") / record.id, replace(record, stages=(Stage("first", first),)), (), "incomplete"
    )


def probed(planned: PlannedTrial, p99_ms: float) -> synthetic.SyntheticTrial:
    """Return a trial that served the rate that it asked for, with this p99."""
    rate = planned.cell.load.rate_per_s
    assert rate is not None
    requests = int(rate * 8)
    times = {int(p99_ms * 500): requests - requests // 50, int(p99_ms * 1000): requests // 50}
    plain = synthetic.trial_record(planned.cell, planned.number, planned.block)
    response_ns = sum(1000 * time_us * count for time_us, count in times.items())
    load = replace(
        synthetic.load_totals(max(requests, 2000)),
        requests=requests,
        response_sum_ns=response_ns,
        service_sum_ns=response_ns,
        response_max_ns=int(p99_ms * 1e6),
    )
    record = replace(plain, load=load)
    return synthetic.SyntheticTrial(record, Path(f"{planned.number:03d}"), times)


def carried_out(run: StoredRun, p99_of: Callable[[PlannedTrial], float]) -> StoredRun:
    """Do every trial of a run, stage after stage, until none follows."""
    for _ in range(400):
        missing = set(run.missing)
        todo = [t for stage in run.stages for t in stage.trials if t.number in missing]
        run = replace(run, trials=(*run.trials, *(probed(one, p99_of(one)) for one in todo)))
        stage = next_stage(run)
        if stage is None:
            return run
        run = replace(run, record=replace(run.record, stages=(*run.stages, stage)))
    raise AssertionError("the search does not end")


def queueing(trial: PlannedTrial) -> float:
    """Return a p99 that passes 150 ms at the variant's capacity, which differs from block to block."""
    rate = trial.cell.load.rate_per_s
    assert rate is not None
    return 150.0 * (rate / (CAPACITIES[trial.cell.variant] * (1 + 0.01 * trial.block))) ** 8


def test_each_block_searches_anew_and_finds_it() -> None:
    """The figure is the mean of the blocks' rates, each within 3 % below the block's own capacity."""
    run = carried_out(begun(tuple(CAPACITIES), blocks=5), queueing)
    summary = judge(run)
    assert len(summary.cells) == 2
    for cell in summary.cells:
        assert (cell.load.profile, cell.load.rate_per_s, cell.load.slo_ms) == ("capacity", None, 150.0)
        assert (cell.trials, cell.valid_trials) == (5, 5)
        assert cell.requests_per_s is not None
        due = CAPACITIES[cell.variant.id] * 1.03
        assert due / 1.03 <= cell.requests_per_s.value <= due
        assert cell.response_ms.p99 is not None
        assert cell.response_ms.p99.value <= 150.0
    pairs = {pair.metric: pair for pair in summary.comparisons}
    assert pairs["requests_per_s"].ratio == pytest.approx(3 / 7, rel=0.03)
    assert pairs["requests_per_s"].verdict == "slower"
    assert "response_ms.p99" not in pairs


def test_later_blocks_begin_where_the_one_before_ended() -> None:
    """So they take two thirds as many trials, or fewer."""
    run = carried_out(begun(tuple(CAPACITIES), blocks=3), queueing)
    numbers = [sum(one.record.block == block for one in run.trials) for block in (1, 2, 3)]
    assert 3 * numbers[1] <= 2 * numbers[0]
    assert 3 * numbers[2] <= 2 * numbers[0]


def test_the_steps_of_all_variants_are_taken_together() -> None:
    """A stage holds one trial of each search that goes on, numbers go on, and asking again gives the same."""
    run = begun(tuple(CAPACITIES), blocks=1)
    run = replace(run, trials=tuple(probed(one, queueing(one)) for one in run.stages[0].trials))
    stage = next_stage(run)
    assert stage is not None
    assert sorted(trial.cell.variant for trial in stage.trials) == sorted(CAPACITIES)
    assert [trial.number for trial in stage.trials] == [3, 4]
    assert {trial.cell.load.rate_per_s for trial in stage.trials} == {4000.0}
    assert next_stage(run) == stage
    assert next_stage(replace(run, trials=run.trials[:1])) is None


def test_a_bound_that_is_never_met_is_invalid_and_ends_soon() -> None:
    """The lowest rate of which a p99 can be told is missed twice in each block."""
    run = carried_out(begun(("flask-gunicorn",), blocks=2), lambda _: 400.0)
    (cell,) = judge(run).cells
    assert (cell.trials, cell.valid_trials, cell.requests_per_s) == (2, 0, None)
    found = {finding.code: finding for finding in cell.findings}
    assert found["slo-never-met"].severity == "invalid"
    assert found["slo-never-met"].figure == 120 / 8
    assert len(run.trials) <= 9


def test_a_bound_that_is_always_met_ends_at_the_most_that_is_asked_for() -> None:
    """It is a valid figure with a warning that it is at least that."""
    run = carried_out(begun(("flask-gunicorn",), blocks=2), lambda _: 1.0)
    (cell,) = judge(run).cells
    assert cell.valid_trials == 2
    assert cell.requests_per_s is not None
    assert cell.requests_per_s.value == 50_000.0
    assert {finding.code: finding.severity for finding in cell.findings}["capacity-beyond"] == "warning"
    assert len(run.trials) <= 8


def test_a_busy_generator_is_not_a_slow_variant() -> None:
    """Probes of which it spoilt the figures say nothing, and three of them end the search as unclear."""
    run = begun(("flask-gunicorn",), blocks=1)
    for _ in range(3):
        (todo,) = run.stages[-1].trials
        busy = probed(todo, 10.0)
        spoilt = replace(busy, record=replace(busy.record, watch=(synthetic.watch(cpu=0.95),)))
        run = replace(run, trials=(*run.trials, spoilt))
        assert outcome(judge_trials(run)[-1]) == "unclear"
        stage = next_stage(run)
        if stage is not None:
            run = replace(run, record=replace(run.record, stages=(*run.stages, stage)))
    assert stage is None
    (cell,) = judge(run).cells
    assert cell.valid_trials == 0
    assert "capacity-unclear" in {finding.code for finding in cell.findings}


def test_a_variant_that_breaks_at_a_rate_has_missed_it() -> None:
    """A crash is an answer to how much it can take."""
    run = begun(("flask-gunicorn",), blocks=1)
    (todo,) = run.stages[0].trials
    crashed = replace(
        synthetic.trial_record(todo.cell, 1, 1), failure="the SUT ended", sut_exit=1, load=None, phases=None
    )
    run = replace(run, trials=(synthetic.SyntheticTrial(crashed),))
    assert outcome(judge_trials(run)[0]) == "missed"


def test_a_search_that_goes_on_is_no_figure_yet() -> None:
    """An interrupted run shows the cell, without trials."""
    run = begun(("flask-gunicorn",), blocks=1)
    (todo,) = run.stages[0].trials
    (cell,) = judge(replace(run, trials=(probed(todo, 10.0),))).cells
    assert (cell.trials, cell.requests_per_s) == (0, None)


def test_its_tables_say_what_was_searched() -> None:
    """The bound stands in the load's words, and the title is not that of a closed load."""
    run = carried_out(begun(tuple(CAPACITIES), blocks=5), queueing)
    shown = {table.kind: table for table in tables.build(judge(run))}
    assert shown["throughput"].title == "Capacity: the highest rate within the bound"
    assert "p99 <= 150 ms" in shown["throughput"].load


def test_the_stages_are_written_down_and_read_back(tmp_path: Path) -> None:
    """A run that ends amid a search goes on with it."""
    results = Results(tmp_path)
    run = begun(tuple(CAPACITIES), blocks=1)
    run = replace(run, trials=tuple(probed(one, queueing(one)) for one in run.stages[0].trials))
    stored = synthetic.on_disk(run, tmp_path)
    stage = next_stage(stored)
    assert stage is not None
    results.extend(stored, stage)
    again = results.find(run.id)
    assert again.missing == tuple(trial.number for trial in stage.trials)
    assert again.stages[-1] == stage
