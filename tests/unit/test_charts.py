from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import synthetic

from harness.ground.histogram import Histogram
from harness.judgement.judge import judge, reported_trials
from harness.judgement.moments import SAMPLED, SERIES, moments
from harness.output import drawing
from harness.output.report import embedded
from harness.output.report.charts.catalogue import sheets
from harness.output.report.charts.chart import Chart
from harness.output.report.charts.looks import looks_of
from harness.output.report.charts.percentiles import MARKED, nines_of
from harness.output.standings import labels_of
from harness.records.run import Columns, StoredRun

KINDS = ["ranked", "percentiles", "over-time", "spending"]


def drawn(run: StoredRun) -> list[dict[str, Chart]]:
    """Return the charts of each scenario and load by name."""
    summary = judge(run)
    made = sheets(summary, reported_trials(run), looks_of(labels_of(summary)))
    return [{chart.name: chart for chart in sheet.charts} for sheet in made]


def option(chart: Chart) -> dict[str, Any]:
    """Return a chart's option as the page reads it."""
    read: dict[str, Any] = json.loads(json.dumps(chart.option, allow_nan=False))
    return read


def series(chart: Chart, kind: str) -> dict[str, dict[str, Any]]:
    """Return the series of a type by the variant's name."""
    return {one["name"]: one for one in option(chart)["series"] if one["type"] == kind and "name" in one}


def test_every_chart_is_plain_data_about_variants() -> None:
    """An option survives JSON; a series is named as a variant, so that the page can filter by it."""
    for of_group in drawn(synthetic.recorded()):
        assert list(of_group) == KINDS
        for chart in of_group.values():
            named = {one["name"] for one in option(chart)["series"] if "name" in one}
            assert named <= set(synthetic.BASE_SPEEDS)
            assert chart.alt
            assert all(len(row) == len(chart.headers) for row in chart.rows)
            assert {row[0] for row in chart.rows} >= named


def test_every_trial_is_a_dot_and_a_row() -> None:
    """Valid and invalid trials are told apart, and an invalid cell has dots but no bar."""
    chart = drawn(synthetic.recorded())[1]["ranked"]
    scattered = [one for one in option(chart)["series"] if one["type"] == "scatter"]
    dots = [(one["symbol"], dot["tip"]) for one in scattered for dot in one["data"] if "tip" in dot]
    assert len(dots) == len(chart.rows) == 15
    assert sum(symbol == "circle" for symbol, _ in dots) == 9
    assert all(("invalid: errors" in tip) is (symbol != "circle") for symbol, tip in dots)
    assert [row[-1] for row in chart.rows].count("invalid: errors") == 6
    assert set(series(chart, "bar")) == {"fastapi-uvicorn", "flask-gunicorn"}
    assert "django-gunicorn has no valid trial" in chart.alt
    labels = [
        dot["label"]["formatter"] for one in option(chart)["series"] for dot in one["data"] if "label" in dot
    ]
    assert "invalid: not ranked" in labels


def test_a_bar_has_its_interval() -> None:
    """The error bar's ends are the interval's, the bar's end the mean, and the words those of the table."""
    run = synthetic.run(scenarios=("hello",))
    chart = drawn(run)[0]["ranked"]
    cell = next(cell for cell in judge(run).cells if cell.variant.label == "fastapi-uvicorn")
    figure = cell.requests_per_s
    assert figure is not None
    (bar,) = series(chart, "bar")["fastapi-uvicorn"]["data"]
    low, high = series(chart, "line")["fastapi-uvicorn"]["data"]
    assert bar["value"][0] == pytest.approx(figure.value, rel=1e-3)
    assert (low["value"][0], high["value"][0]) == pytest.approx((figure.low, figure.high), rel=1e-3)
    assert high["label"]["formatter"] in bar["tip"]


def test_one_block_has_no_interval() -> None:
    """With one trial there is a bar and its figure, and no error bar."""
    chart = drawn(synthetic.run(scenarios=("hello",), blocks=1, twin=None))[0]["ranked"]
    for line in series(chart, "line").values():
        (only,) = line["data"]
        assert only["label"]["formatter"]


def test_at_a_given_rate_the_median_is_drawn() -> None:
    """Where requests/s are given, the chart that ranks is of response times."""
    chart = drawn(synthetic.at_a_rate(synthetic.run(scenarios=("hello",))))[0]["ranked"]
    assert chart.title == "Median response time"
    assert chart.headers[3] == "ms"
    assert "less is better" in chart.note


def test_a_curve_never_falls_and_ends_where_requests_do() -> None:
    """The spectrum is the merged histogram's: it rises, and stops where fewer than ten are slower."""
    run = synthetic.run(scenarios=("hello",), blocks=1, twin=None)
    chart = drawn(run)[0]["percentiles"]
    source = option(chart)["dataset"]["source"]
    nines = source.pop("nines")
    assert nines == sorted(nines)
    merged = Histogram.merge(
        one.histogram("response") for one in run.trials if one.record.cell.variant == "flask-gunicorn"
    )
    row = next(row for row in chart.rows if row[0] == "flask-gunicorn")
    assert merged.total < 100_000
    assert row[-1] == "–"  # p99.99 of so few
    assert row[1] == f"{merged.percentile_ms(50):.0f}"
    assert len(chart.headers) == len(MARKED) + 1
    for column in source.values():
        known = [ms for ms in column if ms is not None]
        assert known == sorted(known)
        assert column == known + [None] * (len(column) - len(known))
        assert 0 < len(known) < len(nines)


def test_the_axis_counts_nines() -> None:
    """Each step to the right is ten times rarer."""
    assert [nines_of(percent) for percent in (0, 90, 99, 99.9)] == pytest.approx([0, 1, 2, 3])


def test_the_time_axis_holds_the_curves() -> None:
    """Its ends are steps of 1, 2, 5, 10, around all times and at least a factor of five apart."""
    axis = option(drawn(synthetic.run(scenarios=("hello",)))[0]["percentiles"])["yAxis"]
    assert axis["max"] / axis["min"] >= 5
    assert set(axis["axisLabel"]["customValues"]) >= {axis["min"], axis["max"]}


def test_seconds_are_medians_of_valid_trials() -> None:
    """A second's figure is the median over trials; CPU and memory are the window's alone."""
    run = synthetic.with_errors(
        synthetic.run(scenarios=("hello",), twin=None), "flask-gunicorn", "hello", [1]
    )
    chart = drawn(run)[0]["over-time"]
    rows = [row for row in chart.rows if row[0] == "flask-gunicorn"]
    assert [row[1] for row in rows] == [str(second) for second in range(-3, 8)]
    rates = sorted(
        one.record.load.requests // 8
        for one in run.trials
        if one.record.load and one.record.cell.variant == "flask-gunicorn" and one.record.block != 1
    )
    assert float(rows[5][2]) == pytest.approx((rates[1] + rates[2]) / 2, rel=0.005)
    told = dict(zip(chart.headers, rows[0], strict=True))
    assert told["cpu cores"] == told["memory MiB"] == "–"
    told = dict(zip(chart.headers, rows[-1], strict=True))
    assert told["cpu cores"] == "1.00"
    assert 20 <= float(told["throttled periods %"]) <= 30


def test_all_panels_share_one_axis() -> None:
    """Pointers of all panels are linked, and each panel has a curve of each variant."""
    made = option(drawn(synthetic.run(scenarios=("hello",)))[0]["over-time"])
    assert made["axisPointer"] == {"link": [{"xAxisIndex": "all"}]}
    assert len(made["grid"]) == len(made["xAxis"]) == len(made["title"]) == 7
    assert len({(axis["min"], axis["max"]) for axis in made["xAxis"]}) == 1
    curves = [(one["name"], one["xAxisIndex"]) for one in made["series"] if "name" in one]
    assert len(curves) == len(set(curves)) == 3 * 7


class LongTrial(synthetic.SyntheticTrial):
    """A trial of ten thousand seconds, of which one was slow and one answered twice as much."""

    def series(self, *columns: str) -> Columns:  # noqa: ARG002 - all are there already
        """Return its seconds."""
        slow = [9.0 if second == 5000 else 2.0 for second in range(10_000)]
        return synthetic.series([200 if second == 5000 else 100 for second in range(10_000)], slow)


def test_a_long_trial_is_thinned_without_losing_its_worst_second() -> None:
    """Ten thousand seconds become few points: rates are means, response times the worst of their seconds."""
    run = synthetic.run(scenarios=("hello",), twin=None, blocks=1)
    judged = []
    for one in reported_trials(run):
        record, phases = one.stored.record, one.stored.record.phases
        assert phases is not None
        end = replace(phases, window_end_ns=phases.window_start_ns + 10_000 * synthetic.S)
        long = LongTrial(replace(record, phases=end))
        course = moments(long.record, long.series(*SERIES), long.samples(*SAMPLED))
        judged.append(replace(one, stored=long, moments=course))
    (sheet,) = sheets(judge(run), judged, looks_of(synthetic.BASE_SPEEDS))
    chart = next(chart for chart in sheet.charts if chart.name == "over-time")
    rows = [row for row in chart.rows if row[0] == "flask-gunicorn"]
    assert 100 < len(rows) <= 121
    assert [row[4] for row in rows].count("9.00") == 1
    assert {row[2] for row in rows} == {"100", "101"}
    assert "A point stands for 84 s" in chart.note


def test_a_run_of_an_older_version_has_no_throttling_over_time() -> None:
    """Where a column was not sampled its panel is left out, and nothing else."""

    class Older(synthetic.SyntheticTrial):
        def samples(self, *columns: str) -> Columns:
            """Return samples without the quota's periods."""
            samples = super().samples(*columns)
            unread = [None] * len(samples["at_s"])
            return {**samples, "periods": unread, "throttled_periods": unread}

    run = synthetic.run(scenarios=("hello",), twin=None, blocks=1)
    older = [
        Older(one.record, one.folder, one.times_us, one.memory_mib)
        for one in run.trials
        if isinstance(one, synthetic.SyntheticTrial)
    ]
    chart = drawn(synthetic.with_trials(run, *older))[0]["over-time"]
    assert chart.headers[-1] == "memory MiB"


def test_a_second_that_the_window_cuts_counts_as_its_part() -> None:
    """Half a second with half the answers has the same rate."""
    (one, *_) = synthetic.run(scenarios=("hello",), twin=None, blocks=1).trials
    phases = one.record.phases
    assert phases is not None
    shorter = replace(phases, window_end_ns=phases.window_start_ns + int(7.5 * synthetic.S))
    record = replace(one.record, phases=shorter)
    made = moments(record, one.series(*SERIES), one.samples(*SAMPLED))
    assert made[7].requests_per_s == pytest.approx(2 * (made[6].requests_per_s or 0))
    assert made[7].cores is None  # no whole second of samples


def test_a_trial_without_a_window_has_no_moments() -> None:
    """Nothing is drawn of a trial that failed before its window."""
    (one, *_) = synthetic.run(scenarios=("hello",), twin=None, blocks=1).trials
    record = replace(one.record, phases=None)
    assert moments(record, one.series(*SERIES), one.samples(*SAMPLED)) == {}


def test_a_column_that_was_not_stored_is_not_measured() -> None:
    """Of a series without errors, as a damaged one, each second has its rate, and no errors."""
    (one, *_) = synthetic.run(scenarios=("hello",), twin=None, blocks=1).trials
    series = one.series(*SERIES)
    made = moments(one.record, {**series, "errors": [None] * len(series["second"])}, one.samples(*SAMPLED))
    assert made[0].requests_per_s
    assert {moment.errors_per_s for moment in made.values()} == {None}


def test_nothing_measured_nothing_drawn() -> None:
    """A run without a trial has no charts."""
    assert drawn(replace(synthetic.run(scenarios=("hello",)), trials=())) == []


def test_what_a_request_costs_is_one_sign_a_variant() -> None:
    """CPU time lies across, memory upwards, each with the interval of its table."""
    chart = drawn(synthetic.run(scenarios=("hello",)))[0]["spending"]
    signs = series(chart, "scatter")
    assert {name: one["data"][0]["value"][0] for name, one in signs.items()} == pytest.approx(
        {name: speed.cpu_us for name, speed in synthetic.BASE_SPEEDS.items()}, rel=0.01
    )
    assert chart.rows[0][2].endswith(" ± 0.14")


def test_more_variants_than_colours_differ_by_strokes() -> None:
    """Colours are those of the pictures; who shares one has another stroke, who does not another sign."""
    labels = [f"variant-{number}" for number in range(20)]
    looks = looks_of(labels)
    assert {label: look.colour for label, look in looks.items()} == drawing.colours_of(labels)
    assert len({(look.colour, look.stroke) for look in looks.values()}) == 20
    assert {look.sign for look in looks.values()} == {look.sign for look in looks_of(labels[:8]).values()}
    assert looks == looks_of(reversed(labels))
    assert len({json.dumps(look.mark) for look in looks.values()}) == 16  # full and hollow signs


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("paper", ["#ffffff", "#0d1117"])
def test_every_colour_is_seen_on_light_and_dark(paper: str) -> None:
    """Each colour has the contrast of 3:1 that WCAG 2.2 asks of graphics (1.4.11)."""
    assert paper in embedded.style()
    assert {
        colour: contrast(colour, paper) for colour in drawing.PALETTE if contrast(colour, paper) < 3
    } == {}
