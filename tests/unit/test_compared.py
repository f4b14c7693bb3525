import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import synthetic
from pages import Tags

from harness.ground.errors import EnvironmentUnfit
from harness.judgement.changes import Change, compare_runs
from harness.output.report import embedded
from harness.output.report.charts.chart import Chart
from harness.output.report.charts.forest import axis_of, forests
from harness.output.report.compared import compared_page, findings, write_compared
from harness.records.run import StoredRun

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e"
NOWHERE = Path("nowhere")
OLD, NEW = "20261124-120000-standard", "20261125-093000-standard"
SPEEDS = {"a": synthetic.Speed(900, 900, 50), "b": synthetic.Speed(700, 900, 50)}
CHANGE = Change(
    scenario="hello",
    load=synthetic.CLOSED,
    variant="a",
    metric="requests_per_s",
    base=1000.0,
    new=900.0,
    trials=(5, 5),
    ratio=0.9,
    low=0.88,
    high=0.92,
    p_holm=0.001,
    floor=0.02,
    verdict="slower",
)


def pair(factor: float = 0.75, scenarios: tuple[str, ...] = ("hello",)) -> tuple[StoredRun, StoredRun]:
    """Return two runs, in the newer of which `a` is `factor` times as fast."""
    faster = {**SPEEDS, "a": replace(SPEEDS["a"], requests_per_s=900 * factor)}
    made = [
        synthetic.run(speeds, scenarios, twin=None, drift=0.001, seed=seed)
        for seed, speeds in ((7, SPEEDS), (8, faster))
    ]
    return synthetic.named(made[0], OLD), synthetic.named(made[1], NEW)


def page(base: StoredRun, new: StoredRun, reports: Path = NOWHERE) -> str:
    """Return the page of two runs."""
    return compared_page(compare_runs(base, new), reports)


def forest(*changes: Change) -> Chart:
    """Return the only chart of changes on one metric."""
    (chart,) = forests(changes)
    return chart


def series(chart: Chart, kind: str) -> list[dict[str, Any]]:
    """Return the named series of a type as the page reads them."""
    option = json.loads(json.dumps(chart.option, allow_nan=False))
    return [one for one in option["series"] if one["type"] == kind and "name" in one]


def test_every_cell_and_metric_has_its_change_with_its_interval() -> None:
    """Each metric is a chart of all cells, whose whiskers are the table's intervals."""
    changes = compare_runs(*pair()).changes
    charts = forests(changes)
    assert [chart.name for chart in charts] == [
        "change-requests_per_s",
        "change-response_ms.p50",
        "change-response_ms.p99",
        "change-cpu.us_per_request",
        "change-memory_mib.mean",
    ]
    for chart in charts:
        assert [row[0] for row in chart.rows] == ["a", "b"]
        assert all(len(row) == len(chart.headers) for row in chart.rows)
    of_a = next(one for one in changes if (one.variant, one.metric) == ("a", "requests_per_s"))
    assert of_a.low is not None
    assert of_a.high is not None
    whisker = series(charts[0], "line")[0]
    assert whisker["name"] == "a"
    ends = [end for end, _ in whisker["data"]]
    assert ends == pytest.approx([100 * (of_a.low - 1), 100 * (of_a.high - 1)], rel=1e-3)
    assert charts[0].alt.startswith("Throughput, change from base to new in %: a -2")


def test_a_verdict_has_a_sign_and_a_colour() -> None:
    """Better points up and worse down, whatever the metric; what is open or a tie is hollow."""
    marks = {}
    for verdict in ("faster", "slower", "tie", None):
        dot, label = series(forest(replace(CHANGE, verdict=verdict)), "scatter")
        marks[verdict] = (dot["symbol"][:8], dot["itemStyle"]["color"])
        assert label["data"][0]["label"]["formatter"] == f"-10.0 {verdict or 'too few trials'}\n[-12.0, -8.0]"
    assert marks["faster"] == ("triangle", "var(--good)")
    assert marks["slower"] == ("path://M", "var(--bad)")
    assert marks["tie"] == marks[None] == ("circle", "var(--paper)")


def test_what_has_no_change_says_why() -> None:
    """A cell without valid trials in a run has words for a dot, one without an interval no whisker."""
    absent = replace(CHANGE, ratio=None, low=None, high=None, trials=(5, 0), verdict="invalid")
    chart = forest(absent, replace(CHANGE, variant="b", low=None, high=None, verdict=None))
    words, *_ = series(chart, "scatter")
    assert words["data"][0]["label"]["formatter"] == "no valid trial in new"
    assert [whisker["data"] for whisker in series(chart, "line")] == [[]]
    assert chart.rows[0][-3:] == ("–", "no valid trial in new", "5 and 0")


def test_charts_of_a_load_share_their_axis_and_no_wide_interval_fills_it() -> None:
    """The axis holds every estimate, and an interval of thousands of percent only to its edge."""
    assert axis_of([CHANGE]) == (15, 5)  # the interval goes to -12
    assert axis_of([replace(CHANGE, high=90.0)]) == (40, 10)
    assert axis_of([replace(CHANGE, ratio=5.0, low=None, high=None)]) == (600, 200)
    assert axis_of([replace(CHANGE, ratio=None, low=None, high=None)]) == (6, 2)
    charts = forests([CHANGE, replace(CHANGE, metric="response_ms.p50", ratio=1.4)])
    axes = [json.loads(json.dumps(chart.option))["xAxis"] for chart in charts]
    assert {(axis["min"], axis["max"]) for axis in axes} == {(-60.0, 60.0)}
    endless = forest(replace(CHANGE, low=0.01, high=math.inf))
    assert [end for end, _ in series(endless, "line")[0]["data"]] == [-80, 80]
    (wide,) = forests([replace(CHANGE, ratio=5.0)])
    assert json.loads(json.dumps(wide.option))["xAxis"]["min"] == -200


def test_the_page_says_what_changed_and_how_far_to_trust_it() -> None:
    """The answer, the verdicts and trials of both, the caution about drift, and a table of each metric."""
    text = page(*pair())
    assert '<h1 id="answer">a on hello is slower: requests/s -2' in text
    assert "<span>slower <small>1</small></span><span>tie <small>1</small></span>" in text
    assert "Nothing pairs the trials of two runs" in text
    assert "Nothing else that was recorded differs" in text
    assert '<b class="bad">slower</b>' in text
    assert text.count('<th scope="row">a</th>') == 5


def test_what_else_differs_is_told_by_its_weight() -> None:
    """Another kernel warns and another version only tells; the grave ones come first."""
    base, new = pair()
    told = replace(new.record, fingerprint={"kernel": "7.0"}, backend="docker")
    text = page(base, replace(new, record=told))
    assert text.index("forbids a comparison") < text.index("may be the cause")
    assert '<th scope="row">machine: kernel</th><td>6.1.0</td><td>7.0</td>' in text


def test_findings_of_both_runs_stand_beside_each_other() -> None:
    """Each code once, with its places in either run, and a dash where it is not."""
    base, new = pair()
    spoilt = synthetic.with_errors(new, "a", "hello", [2])
    rows = {row.code: row for row in findings(*compare_runs(base, spoilt).summaries)}
    assert (rows["errors"].base, rows["errors"].new[:10]) == ("–", "a on hello")
    assert rows["overlap"].base == rows["overlap"].new == "all cells"
    assert next(iter(rows)) == "errors"


def test_runs_are_linked_where_they_have_a_report(tmp_path: Path) -> None:
    """The page names both runs; a report that is not there is no link."""
    (tmp_path / OLD).mkdir()
    (tmp_path / OLD / "index.html").write_text("")
    seen = Tags(page(*pair(), tmp_path))
    assert [one for one in seen.addresses if not one.startswith("#")] == [
        "../index.html",
        f"../{OLD}/index.html",
    ]


def test_an_incomplete_run_is_told() -> None:
    """Beside the answer, since what is missing may change it."""
    base, new = pair()
    assert f"{NEW} is incomplete" in page(base, replace(new, state="incomplete"))


def test_foreign_text_is_data() -> None:
    """A hostile name makes no element and no handler, and the page runs our scripts alone."""
    hostile = synthetic.run({HOSTILE: SPEEDS["a"]}, (HOSTILE,), twin=None)
    record = replace(hostile.record, fingerprint={HOSTILE: HOSTILE}, command=HOSTILE)
    text = page(hostile, synthetic.named(replace(hostile, record=record), NEW))
    seen = Tags(text)
    assert not seen.tags & {"img", "iframe", "object", "link"}
    assert not seen.handlers
    assert not seen.styled
    assert "\u202e" not in text
    assert "\\u202e" not in "".join(seen.scripts["application/json"])
    assert seen.scripts[None] == [embedded.script()]
    assert len(seen.ids) == len(set(seen.ids))


def test_same_bytes_twice(tmp_path: Path) -> None:
    """The page is written to the same bytes, over an older one."""
    compared = compare_runs(*pair())
    path = write_compared(compared, tmp_path)
    assert path == tmp_path / f"{OLD}..{NEW}" / "index.html"
    first = {one.name: one.read_bytes() for one in path.parent.iterdir()}
    write_compared(compared, tmp_path)
    assert first == {one.name: one.read_bytes() for one in path.parent.iterdir()}
    assert set(first) == {"index.html", "changes.json"}


def test_a_folder_that_takes_nothing_is_told(tmp_path: Path) -> None:
    """Where the page can't be written the user learns where."""
    (tmp_path / "reports").write_text("")
    with pytest.raises(EnvironmentUnfit, match="can't be written"):
        write_compared(compare_runs(*pair()), tmp_path / "reports")
