"""The charts over several loads: scaling, by rate, and the probes of a search."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import synthetic
from test_charts import KINDS, drawn, option

from harness.ground.model import Cell, Load, PlannedTrial, Stage
from harness.ground.usl import Law
from harness.judgement import capacity
from harness.judgement.judge import judge, reported_trials
from harness.output import tables
from harness.output.report.charts.axes import logarithmic
from harness.output.report.charts.catalogue import sheets
from harness.output.report.charts.looks import looks_of
from harness.output.report.page import page
from harness.output.standings import labels_of
from harness.records.run import StoredRun
from harness.records.summary import Figure, ScalingCurve, ScalingFit, ScalingPoint, Summary


def with_curves(run: StoredRun) -> Summary:
    """Return the run's summary with two curves, of which one has a gap and no fit."""
    law = Law(1000, 0.05, 0.0005)

    def point(level: float, *, valid: bool = True) -> ScalingPoint:
        rate = law.at(level)
        figure = Figure(rate, 0.97 * rate, 1.03 * rate) if valid else None
        return ScalingPoint(level, 5, 5 if valid else 0, figure, None, None, None, 1.5 if valid else None)

    levels = (1.0, 2.0, 4.0, 8.0)
    rate, contention, coherence = (Figure(value, None, None) for value in (1000, 0.05, 0.0005))
    fit = ScalingFit(rate, contention, coherence, None, 1.5, poor=False)
    curve = ScalingCurve(
        "flask-gunicorn", "hello", synthetic.CLOSED, "cpus", tuple(map(point, levels)), fit, ""
    )
    gap = tuple(point(level, valid=level != 2) for level in levels)
    other = replace(curve, variant="</b>x", points=gap, fit=None, no_fit="too few levels")
    return replace(judge(run), scaling=(curve, other))


def test_a_curve_is_drawn_with_its_law_between_its_levels() -> None:
    """Points have intervals, the law ends at the levels, residuals lie below, a gap is a row without one."""
    summary = with_curves(synthetic.run(scenarios=("hello",)))
    made = sheets(summary, (), looks_of(labels_of(summary)))[-1]
    (chart,) = made.charts
    assert (made.scenario, chart.name, chart.kinds) == ("hello", "scaling-cpus", ("scaling",))
    lines = [one for one in option(chart)["series"] if one.get("name") == "flask-gunicorn"]
    law, arms, points, residuals = lines
    assert (law["data"][0][0], law["data"][-1][0]) == (1, 8)
    assert arms["data"][:3] == [[1, 970], [1, 1030], None]
    assert [dot["value"][0] for dot in points["data"]] == [1, 2, 4, 8]
    assert {dot["value"][1] for dot in residuals["data"]} == {1.5}
    assert residuals["xAxisIndex"] == 1
    assert [row[2] for row in chart.rows if row[0] == "</b>x"][1] == "–"
    assert len([one for one in option(chart)["series"] if one.get("name") == "</b>x"]) == 2
    json.dumps(chart.option, allow_nan=False)


def test_curves_without_a_fit_say_why() -> None:
    """Where no law was fitted there is no lower panel, and the note has the reason."""
    summary = with_curves(synthetic.run(scenarios=("hello",)))
    alone = replace(summary, scaling=summary.scaling[1:])
    (chart,) = sheets(alone, (), looks_of(labels_of(alone)))[-1].charts
    assert chart.note.endswith("There is no fit: too few levels.")
    assert len(option(chart)["grid"]) == 1


def asked(made: StoredRun, rates: dict[float, float], share: float | None = None) -> StoredRun:
    """Return the run with every trial once more at each rate, with times that many times as long."""
    trials: list[synthetic.SyntheticTrial] = []
    for rate, slower in rates.items():
        for one in synthetic.at_a_rate(made).trials:
            assert isinstance(one, synthetic.SyntheticTrial)
            assert one.record.load is not None
            cell = replace(one.record.cell, load=Load("rate", 200, rate, share=share))
            requests = int(8 * rate)
            load = replace(one.record.load, requests=requests, response_max_ns=10**10)
            record = replace(one.record, number=len(trials) + 1, cell=cell, load=load)
            times = {int(at * slower): count for at, count in one.times_us.items()}
            trials.append(replace(one, record=record, times_us=times))
    return synthetic.with_trials(made, *trials)


def test_response_times_are_drawn_by_rate() -> None:
    """Each variant has a line of p50 and one of p99 over all rates, with arms and signs; twins have none."""
    made = asked(synthetic.run(scenarios=("hello",)), {500.0: 2.0, 250.0: 1.0})
    summary = judge(made)
    sheet = sheets(summary, reported_trials(made), looks_of(labels_of(summary)))[-1]
    (chart,) = sheet.charts
    assert (sheet.scenario, sheet.load, chart.name, chart.kinds) == (
        "hello", "rate, 200 users", "by-rate", ("latency",)
    )  # fmt: skip
    own = [one for one in option(chart)["series"] if one["name"] == "flask-gunicorn"]
    assert [one["yAxisIndex"] for one in own] == [0, 0, 0, 1, 1, 1]
    for panel, quantile in enumerate(("p50", "p99")):
        line, arms, signs = own[3 * panel : 3 * panel + 3]
        assert [at for at, _ in line["data"]] == [250, 500]
        assert line["data"] == [dot["value"] for dot in signs["data"]]
        assert line["data"][1][1] == pytest.approx(2 * line["data"][0][1], rel=0.02)
        low, high, gap = arms["data"][:3]
        assert low[1] < line["data"][0][1] < high[1]
        assert gap is None
        assert signs["data"][0]["tip"].startswith(f"250 requests/s (all): {quantile} ")
    assert len(chart.rows) == 3 * 2
    assert "flask-gunicorn p99" in chart.alt


def test_the_filter_offers_the_load_of_each_part() -> None:
    """Charts over several rates or levels can be chosen by their load, as tables can."""
    made = asked(synthetic.run(scenarios=("hello",)), {500.0: 2.0, 250.0: 1.0})
    summary = judge(made)
    text = page(made, summary, reported_trials(made), tables.build(summary))
    form, rest = text.split('<section id="ranking">')
    loads = set(re.findall(r'data-load="([^"]+)"', rest))
    assert "rate, 200 users" in loads
    assert loads <= set(re.findall(r'<option value="([^"]+)"', form))


def test_a_rate_without_a_valid_trial_is_a_gap() -> None:
    """It has a row and no sign, and the line is broken there."""
    made = asked(synthetic.run(scenarios=("hello",), twin=None), {125.0: 1.0, 250.0: 1.0, 500.0: 2.0})
    late = [
        replace(one, record=replace(one.record, failure="it died"))
        if (one.record.cell.variant, one.record.cell.load.rate_per_s) == ("flask-gunicorn", 250.0)
        else one
        for one in made.trials
    ]
    chart = drawn(synthetic.with_trials(made, *late))[-1]["by-rate"]
    line = next(one for one in option(chart)["series"] if one["name"] == "flask-gunicorn")
    assert [value is None for _, value in line["data"]] == [False, True, False]
    rows = [row for row in chart.rows if row[0] == "flask-gunicorn"]
    assert rows[1][2] == "–"
    assert rows[1][-1] == "0 of 5"


def test_shares_lie_at_the_rates_that_they_were() -> None:
    """At a share of its own capacity each variant was asked for another rate, and is drawn at that one."""
    made = synthetic.run(scenarios=("hello",), twin=None)
    rates = {"fastapi-uvicorn": 700.0, "flask-gunicorn": 350.0, "django-gunicorn": 340.0}
    trials = []
    for one in asked(made, {500.0: 1.0}, share=0.5).trials:
        load = replace(one.record.cell.load, rate_per_s=rates[one.record.cell.variant])
        trials.append(replace(one, record=replace(one.record, cell=replace(one.record.cell, load=load))))
    chart = drawn(synthetic.with_trials(made, *trials))[-1]["by-rate"]
    assert {row[0]: float(row[1]) for row in chart.rows} == rates
    assert {row[-2] for row in chart.rows} == {"50 % of its own capacity"}


def test_one_rate_is_no_line() -> None:
    """Where all were asked for the same rate, the chart that ranks says all."""
    made = asked(synthetic.run(scenarios=("hello",)), {500.0: 1.0})
    assert [list(charts) for charts in drawn(made)] == [KINDS]


def search(bounds: dict[str, float], blocks: int, spread: float) -> StoredRun:
    """Return a search by variants whose p99 passes 150 ms at these rates, and `spread` later each block."""
    load = Load("capacity", synthetic.USERS, 1000.0, slo_ms=150.0)
    record = synthetic.run_record(tuple(map(synthetic.variant, bounds)), blocks)
    first = tuple(PlannedTrial(n, 1, Cell(name, "hello", load)) for n, name in enumerate(bounds, 1))
    run = StoredRun(synthetic.run().folder, replace(record, stages=(Stage("first", first),)), (), "sealed")
    stage: Stage | None = run.stages[0]
    while stage is not None:
        probes = [probe(one, bounds[one.cell.variant] * (1 + spread * one.block)) for one in stage.trials]
        run = replace(run, trials=(*run.trials, *probes))
        stage = capacity.next_stage(run)
        if stage is not None:
            run = replace(run, record=replace(run.record, stages=(*run.stages, stage)))
    return run


def test_every_probe_of_a_search_is_a_dot() -> None:
    """Those that kept the bound and those that did not are told apart; the capacity lies on the bound."""
    run = search({"fastapi-uvicorn": 7000.0, "flask-gunicorn": 3000.0}, blocks=3, spread=0.02)
    ((chart,),) = ([charts["searched"]] for charts in drawn(run))
    assert len(chart.rows) == len(run.trials)
    met, missed, interval, sign = (
        one for one in option(chart)["series"] if one.get("name") == "flask-gunicorn"
    )
    assert len(met["data"]) + len(missed["data"]) == sum(row[0] == "flask-gunicorn" for row in chart.rows)
    assert max(dot["value"][1] for dot in met["data"]) <= 150 < min(dot["value"][1] for dot in missed["data"])
    cell = next(cell for cell in judge(run).cells if cell.variant.label == "flask-gunicorn")
    assert cell.requests_per_s is not None
    ends = [cell.requests_per_s.low, cell.requests_per_s.high]
    assert [end for end, _ in interval["data"]] == pytest.approx(ends, rel=1e-3)
    (capacity_of,) = sign["data"]
    assert capacity_of["value"] == [pytest.approx(cell.requests_per_s.value, rel=1e-3), 150]
    assert {row[-1] for row in chart.rows} == {"yes", "no"}


def probe(planned: PlannedTrial, most_per_s: float) -> synthetic.SyntheticTrial:
    """Return a trial whose p99 passes 150 ms at this rate."""
    rate = planned.cell.load.rate_per_s
    assert rate is not None
    requests, p99_us = int(8 * rate), int(150_000 * (rate / most_per_s) ** 2)
    plain = synthetic.trial_record(planned.cell, planned.number, planned.block)
    times = {p99_us // 2: requests - requests // 50, p99_us: requests // 50}
    response_ns = sum(1000 * time_us * count for time_us, count in times.items())
    load = replace(
        synthetic.load_totals(max(requests, 2000)),
        requests=requests,
        response_sum_ns=response_ns,
        service_sum_ns=response_ns,
        response_max_ns=1000 * p99_us,
    )
    return synthetic.SyntheticTrial(replace(plain, load=load), times_us=times)


def test_a_capacity_that_may_be_0_has_its_interval() -> None:
    """Two blocks that are far apart leave such an interval, which goes on past the edge of the axis."""
    ((chart,),) = ([charts["searched"]] for charts in drawn(search({"a": 1000.0}, blocks=2, spread=1.0)))
    *_, interval, sign = (one for one in option(chart)["series"] if one.get("name") == "a")
    (low, _), (high, _) = interval["data"]
    assert low == 1e-4
    assert high > sign["data"][0]["value"][0]


def test_a_log_axis_holds_what_it_is_for() -> None:
    """Its ends are on the series 1, 2, 5, 10, and a factor of five apart at least."""
    assert logarithmic([30.0, 40.0])["axisLabel"] == {"customValues": [10.0, 20.0, 50.0, 100.0]}
    wide = logarithmic([0.3, 900.0])
    assert (wide["min"], wide["max"]) == (0.2, 1000.0)


def test_a_log_axis_bears_any_figure() -> None:
    """What lies beyond all that it can show is past its edge, and no error."""
    tiny, huge = logarithmic([1e-9, 1.0]), logarithmic([1.0, 1e12])
    assert (tiny["min"], tiny["max"]) == (1e-4, 1.0)
    assert (huge["min"], huge["max"]) == (1.0, 5e7)


@pytest.mark.parametrize("low", [-1.0, 0.0, 1e-9])
def test_an_interval_down_to_0_has_its_arm_and_stretches_no_axis(low: float) -> None:
    """Few trials leave such intervals: the arm goes down past the edge, since 0 is nowhere on the axis."""
    made = asked(synthetic.run(scenarios=("hello",)), {500.0: 2.0, 250.0: 1.0})
    summary = judge(made)
    wide = [
        replace(cell, response_ms=replace(cell.response_ms, p50=Figure(2.0, low, 5.0)))
        for cell in summary.cells
    ]
    summary = replace(summary, cells=tuple(wide))
    chart = sheets(summary, reported_trials(made), looks_of(labels_of(summary)))[-1].charts[0]
    assert option(chart)["yAxis"][0]["min"] == 0.2
    _, arms, _ = [one for one in option(chart)["series"] if one["yAxisIndex"] == 0][:3]
    assert [value for _, value in arms["data"][:2]] == [1e-4, 5.0]
