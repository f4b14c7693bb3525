from dataclasses import replace

import pytest
import synthetic
from synthetic import CLOSED, SyntheticTrial, with_trials

from harness.ground.errors import UsageError
from harness.ground.model import Cell
from harness.ground.observations import TrialRecord, YardstickRecord
from harness.judgement.figures import PERCENTILES, trial_figures
from harness.judgement.judge import judge, planned_cells
from harness.records.summary import CellSummary, Figure, Summary
from harness.records.summary_json import from_json, to_json


def cell_of(summary: Summary, label: str, scenario: str) -> CellSummary:
    """Return the summary of one cell."""
    (found,) = [c for c in summary.cells if (c.variant.label, c.scenario) == (label, scenario)]
    return found


def test_figures_are_what_the_counters_say() -> None:
    """Rate, CPU, throttling and memory follow from one trial's counters by hand."""
    trial = SyntheticTrial(synthetic.trial_record(), times_us={142_000: 56_000})
    cell = judge(with_trials(synthetic.run(), trial)).cells[0]
    values = {
        "requests_per_s": (cell.requests_per_s, 7000.0),
        "cores": (cell.cpu.cores, 0.95),
        "percent": (cell.cpu.percent_of_cap, 95.0),
        "us": (cell.cpu.us_per_request, 7.6e6 / 56_000),
        "throttled": (cell.cpu.throttled_percent, 25.0),
        "mean": (cell.memory_mib.mean, 50.0),
        "peak": (cell.memory_mib.peak, 50.5),
        "kernel": (cell.memory_mib.kernel_peak, 70.0),
        "cache": (cell.memory_mib.cache, 8.0),
        "idle": (cell.memory_mib.idle, 40.0),
        "p50": (cell.response_ms.p50, 142.0),
        "response": (cell.response_ms.mean, 1000 * 8 / 56),
        "max": (cell.response_ms.max, 400.0),
        "in flight": (cell.in_flight, 1000.0),
        "services": (cell.services_cpu_cores, 0.1),
        "generator": (cell.generator_cpu_cores, 0.4),
    }
    for name, (figure, value) in values.items():
        assert figure is not None, name
        assert figure.value == pytest.approx(value, rel=0.01 if name == "p50" else 1e-9), name
        assert (figure.low, figure.high) == (None, None), name


def test_send_lag_is_what_a_schedule_has() -> None:
    """Mean lag is response less service time, the generator's own is its p99; a closed load has neither."""
    made = synthetic.at_a_rate(synthetic.run(scenarios=("hello",)))
    cell = cell_of(judge(made), "flask-gunicorn", "hello")
    lag, mean, service = cell.send_lag_ms, cell.response_ms.mean, cell.service_ms.mean
    assert lag.mean is not None
    assert lag.idle_p99 is not None
    assert mean is not None
    assert service is not None
    assert lag.mean.value == pytest.approx(mean.value - service.value)
    assert lag.idle_p99.value == 0.15
    closed = cell_of(judge(synthetic.run()), "flask-gunicorn", "hello").send_lag_ms
    assert (closed.mean, closed.idle_p99) == (None, None)


def test_pairs_at_a_given_rate_are_judged_by_the_median() -> None:
    """Response times that vary are unstable where the rate is given, although all reach it."""
    wild = judge(synthetic.at_a_rate(synthetic.run(scenarios=("hello",), noise=0.3)))
    assert any(found.code == "unstable" for cell in wild.cells for found in cell.findings)


def test_no_percentile_is_past_the_maximum() -> None:
    """A percentile is a step's middle, which may lie past the exact maximum: then it is the maximum."""
    record = synthetic.trial_record()
    assert record.load is not None
    load = replace(record.load, response_max_ns=491_600_000)  # in a step of 2048 us, 491.5 to 493.6 ms
    trial = SyntheticTrial(replace(record, load=load), times_us={142_000: 55_000, 491_600: 1_000})
    times = judge(with_trials(synthetic.run(), trial)).cells[0].response_ms
    assert times.p999 is not None
    assert times.max is not None
    assert times.p999.value == times.max.value == 491.6


@pytest.mark.parametrize(
    ("requests", "known"),
    [
        (1, set()),
        (2, {"p50"}),
        (99, {"p50", "p90"}),
        (100, {"p50", "p90", "p99"}),
        (999, {"p50", "p90", "p99"}),
        (1000, {"p50", "p90", "p99", "p999"}),
    ],
)
def test_a_percentile_of_too_few_requests_is_not_measured(requests: int, known: set[str]) -> None:
    """The p99 of 99 requests is their maximum, and no p99."""
    times = {1000 * number: 1 for number in range(1, requests + 1)}
    trial = SyntheticTrial(synthetic.trial_record(), times_us=times)
    latency = trial_figures(trial, synthetic.PLACEMENT, trial.samples()).response_ms
    assert {name for name in PERCENTILES if getattr(latency, name) is not None} == known
    assert latency.mean is not None
    assert latency.max is not None


def test_invalid_trials_enter_no_figure() -> None:
    """A cell's figures are over its valid trials alone, and its finding names the others."""
    run = synthetic.with_errors(synthetic.run(), "fastapi-uvicorn", "hello", [2, 4])
    cell = cell_of(judge(run), "fastapi-uvicorn", "hello")
    assert (cell.trials, cell.valid_trials) == (5, 3)
    assert cell.errors_percent is not None
    assert cell.errors_percent.value == 0.0
    (errors,) = [found for found in cell.findings if found.code == "errors"]
    bad = [t.record for t in run.trials if t.record.load and t.record.load.errors]
    assert sorted(errors.trials) == [record.number for record in bad]
    assert errors.figure == pytest.approx(1.0, rel=0.01)
    few = [found for found in cell.findings if found.code == "few-blocks"]
    assert [(found.figure, found.trials) for found in few] == [(3.0, ())]


def test_a_request_costs_so_many_yardsticks() -> None:
    """7.6 s over 56000 requests are half of a piece that takes 0.27 ms; of few pieces nothing is said."""
    record = replace(synthetic.trial_record(), yardstick=YardstickRecord(800, 217_142_858))

    def told(record: TrialRecord) -> Figure | None:
        trial = SyntheticTrial(record, times_us={142_000: 56_000})
        return judge(with_trials(synthetic.run(), trial)).cells[0].cpu.yardsticks_per_request

    found = told(record)
    assert found is not None
    assert found.value == pytest.approx(0.5)
    assert told(replace(record, yardstick=YardstickRecord(99, 26_871_429))) is None
    assert told(replace(record, yardstick=None)) is None
    assert told(replace(record, usage=())) is None


def test_a_cell_without_a_valid_trial_has_no_figures() -> None:
    """It is there, with its findings, and every figure is None."""
    run = synthetic.with_errors(synthetic.run(), "fastapi-uvicorn", "hello", range(1, 6))
    cell = cell_of(judge(run), "fastapi-uvicorn", "hello")
    assert (cell.valid_trials, cell.requests_per_s, cell.response_ms.p99) == (0, None, None)
    assert (cell.memory_mib.mean, cell.cpu.us_per_request, cell.startup_s) == (None, None, None)
    assert cell.findings[0].severity == "invalid"
    assert cell.limiter == "errors"


def test_unmeasured_counters_are_none() -> None:
    """A machine without cgroup counters or sampler leaves CPU and memory open, not zero."""
    record = replace(synthetic.trial_record(), usage=(), idle_bytes=None, startup_s=None)
    cell = judge(with_trials(synthetic.run(), SyntheticTrial(record, times_us={1000: 1}))).cells[0]
    assert {cell.cpu.cores, cell.cpu.us_per_request, cell.memory_mib.idle, cell.startup_s} == {None}
    assert cell.requests_per_s is not None


def test_planned_cells_are_there_before_they_are_measured() -> None:
    """An interrupted run's summary has a row for each planned cell."""
    run = synthetic.run()
    summary = judge(replace(run, trials=run.trials[:1], state="incomplete"))
    assert len(summary.cells) == len(planned_cells(run)) == 7
    assert sum(cell.trials for cell in summary.cells) == 1


def test_failed_trials_do_not_stop_the_judgement() -> None:
    """A trial without a window is invalid with its reason, beside trials that have one."""
    failed = replace(synthetic.trial_record(), failure="no answer in 60 s", load=None, phases=None)
    cell = judge(with_trials(synthetic.run(), SyntheticTrial(failed))).cells[0]
    assert cell.valid_trials == 0
    assert any("no answer in 60 s" in found.remedy for found in cell.findings)


def test_twins_that_differ_are_found_on_both() -> None:
    """An A/A pair whose interval excludes 1 is a warning on both twins."""
    speed = synthetic.Speed(5000.0, 190.0, 50.0)
    cells = (Cell("a", "hello", CLOSED), Cell("a", "hello", CLOSED, replica=1))
    factors = (1.0, 1.01, 0.99, 1.0, 1.005)
    trials = [
        synthetic.trial(
            cell,
            2 * block + cell.replica,
            block,
            speed,
            factors[(block + cell.replica) % 5] + 0.1 * cell.replica,
        )
        for block in range(5)
        for cell in cells
    ]
    summary = judge(with_trials(synthetic.run(), *trials))
    assert [[f.code for f in cell.findings if f.code == "aa-differs"] for cell in summary.cells] == [
        ["aa-differs"]
    ] * 2


def test_twins_without_a_common_block_are_not_checked() -> None:
    """An A/A pair of which one side has no valid trial shows nothing, which is said on both."""
    made = synthetic.with_errors(synthetic.run(), "flask-gunicorn", "hello", range(1, 6))
    told = {
        cell.variant.label: {f.code: f.remedy for f in cell.findings if f.code in ("aa-differs", "unstable")}
        for cell in judge(made).cells
        if cell.scenario == "hello"
    }
    for label in ("flask-gunicorn", "flask-gunicorn#1"):
        assert set(told[label]) == {"aa-differs", "unstable"}
        assert all(remedy.startswith("not checked") for remedy in told[label].values())
    assert told["django-gunicorn"] == told["fastapi-uvicorn"] == {}


def test_wild_blocks_are_unstable() -> None:
    """Per-block ratios that vary by more than 10 % are a warning; calm ones are not."""
    wild = judge(synthetic.run(noise=0.3))
    calm = judge(synthetic.run(noise=0.01))
    assert any(found.code == "unstable" for cell in wild.cells for found in cell.findings)
    assert not any(found.code == "unstable" for cell in calm.cells for found in cell.findings)


def test_settings_and_versions_are_those_of_the_cell() -> None:
    """A label names what differs; the settings are all that apply."""
    cell = Cell("flask-gunicorn", "hello", CLOSED, {"threads": 32})
    run = with_trials(synthetic.run(), synthetic.trial(cell, 1, 1, synthetic.BASE_SPEEDS["flask-gunicorn"]))
    (made,) = judge(run).cells
    assert made.variant.label == "flask-gunicorn[threads=32]"
    assert made.variant.settings == {"workers": 1, "threads": 32}
    assert made.variant.versions["python"] == "3.13.1"


def test_json_there_and_back() -> None:
    """What was written reads back as the same summary, to the bytes."""
    text = to_json(judge(synthetic.recorded()))
    assert to_json(from_json(text)) == text


@pytest.mark.parametrize(
    ("text", "what"),
    [("{", "is not JSON"), ('{"schema": 9}', "schema 9"), ('{"schema": 1}', "required"), ("[]", "None")],
)
def test_what_is_no_summary_is_refused(text: str, what: str) -> None:
    """A broken or foreign file is told with its name and what to do."""
    with pytest.raises(UsageError, match=what) as caught:
        from_json(text, "results/x/summary.json")
    assert "results/x/summary.json" in str(caught.value)
    assert caught.value.remedy


def test_the_order_of_trials_does_not_matter() -> None:
    """A shuffled store gives the same bytes."""
    run = synthetic.recorded()
    assert to_json(judge(replace(run, trials=run.trials[::-1]))) == to_json(judge(run))


def test_errors_are_no_throughput() -> None:
    """In a valid trial with a few errors only the right answers count."""
    record = synthetic.trial_record()
    assert record.load is not None
    record = replace(record, load=replace(record.load, errors=40))
    cell = judge(with_trials(synthetic.run(), SyntheticTrial(record, times_us={1000: 1}))).cells[0]
    assert cell.requests_per_s is not None
    assert cell.requests_per_s.value == (56_000 - 40) / 8


def test_the_worst_figure_is_shown() -> None:
    """Of several trials' figures a merged finding keeps the worst: the lowest where less is worse."""
    cell = Cell("flask-gunicorn", "hello", CLOSED)
    trials = [
        synthetic.trial(cell, n, n, synthetic.Speed(rate, 500.0, 50.0)) for n, rate in ((1, 1000), (2, 900))
    ]
    (short,) = [
        f for f in judge(with_trials(synthetic.run(), *trials)).cells[0].findings if f.code == "window-short"
    ]
    assert short.figure == pytest.approx(7.2)
    assert short.trials == (1, 2)


def test_what_was_agreed_on_by_tls_is_told_and_compared() -> None:
    """A cell has what its connections agreed on; where a scenario's differ, each is told of the others."""
    made = synthetic.run(scenarios=("hello", "history"))
    trials = []
    for trial in made.trials:
        of, load = trial.record.cell, trial.record.load
        assert load is not None
        old = (of.variant, of.scenario) == ("flask-gunicorn", "history")
        agreement = "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384" if old else "TLSv1.3 TLS_AES_256_GCM_SHA384"
        load = replace(load, tls={agreement: load.users})
        trials.append(replace(trial, record=replace(trial.record, load=load)))
    summary = judge(with_trials(made, *trials))
    for cell in summary.cells:
        found = [finding for finding in cell.findings if finding.code == "tls-differs"]
        if cell.scenario == "hello":
            assert (cell.tls, found) == (("TLSv1.3 TLS_AES_256_GCM_SHA384",), [])
        else:
            (finding,) = found
            assert (finding.severity, finding.figure) == ("warning", 2.0)
            assert finding.remedy.startswith(f"{cell.tls[0]} here, ")
    read = from_json(to_json(summary))
    assert [cell.tls for cell in read.cells] == [cell.tls for cell in summary.cells]
