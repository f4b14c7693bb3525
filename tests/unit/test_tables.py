import csv
import io
from dataclasses import replace
from typing import cast

import pytest
import synthetic
from rich.console import Console

from harness.ground.model import Load, Verdict
from harness.ground.observations import YardstickRecord
from harness.judgement.judge import judge
from harness.output import grids, table_formats, tables, wording
from harness.output.standings import best_of, groups
from harness.records.run import StoredRun
from harness.records.summary import Figure, Summary

HOSTILE = (
    "</script><b>",
    "a|b`c`",
    "=cmd()",
    "\u202eevil\u200b",
    "\x1b[31mred",
    "[bold]x[/bold]",
    "new\nline",
)

LEFT_OUT = ("django-gunicorn", "history")


def summary(run: StoredRun | None = None) -> Summary:
    """Judge a run that stands in for a stored one."""
    return judge(run or synthetic.recorded())


def hostile() -> tuple[grids.Table, ...]:
    """Return the tables of variants whose names attack each format."""
    speeds = dict.fromkeys(HOSTILE, synthetic.Speed(1000.0, 900.0, 50.0))
    return tables.build(summary(synthetic.run(speeds, ("hello",), twin=None)))


def table(kind: str, scenario: str, of: Summary | None = None) -> grids.Table:
    """Return one table."""
    (found,) = [t for t in tables.build(of or summary()) if (t.kind, t.scenario) == (kind, scenario)]
    return found


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (3420.5, 3386.78, 3454.22, "3420 ± 40"),
        (1234.5, 1220.0, 1249.0, "1234 ± 15"),
        (0.0312, 0.0300, 0.0324, "0.0312 ± 0.0012"),
        (12.0, None, None, "12.0"),
        (12.0, 12.0, 12.0, "12.0"),
        (7367.0, -40000.0, 54734.0, "7400 ± 47400"),
        (61.9233, 61.9231, 61.9235, "61.92 ± 0.01"),
        (0.0, 0.0, 0.0, "0"),
    ],
)
def test_digits_follow_the_interval(value: float, low: float | None, high: float | None, text: str) -> None:
    """A figure has no digit that its interval does not allow, and the half width is never rounded down."""
    assert wording.figure_with_interval(Figure(value, low, high)) == text


def test_what_was_not_measured_is_a_dash() -> None:
    """None is a dash to people and an empty field in CSV, never 0."""
    run = synthetic.run(scenarios=("hello",))
    bare = tuple(replace(t, record=replace(t.record, usage=())) for t in run.trials)
    made = table("cpu", "hello", summary(replace(run, trials=bare)))
    assert {shown.text for row in made.rows for shown in row[1:]} == {"–"}
    assert ",,,," in table_formats.to_csv([made], "cpu")


def test_hits_of_a_cache_are_a_column_where_there_are_any() -> None:
    """Where a scenario counts hits, each row has their share in %; elsewhere there is no such column."""
    run = synthetic.run(scenarios=("hello",))
    assert "cache hits %" not in table("cpu", "hello", summary(run)).headers
    told = tuple(
        replace(t, record=replace(t.record, load=replace(t.record.load, marks={"hit": 31, "miss": 19})))
        for t in run.trials
        if t.record.load is not None
    )
    made = table("cpu", "hello", summary(replace(run, trials=told)))
    assert made.headers[-1] == "cache hits %"
    assert {row[-1].text for row in made.rows} == {"62.0"}
    assert made.frame["cache hits % low"].tolist() == [62.0] * 3


def test_yardsticks_are_a_column_where_they_were_laid() -> None:
    """Beside µs a request, with their interval; elsewhere there is no such column."""
    run = synthetic.at_a_rate(synthetic.run(scenarios=("hello",)))
    assert "yardsticks/request" not in table("cpu", "hello", summary(run)).headers
    laid = tuple(
        replace(t, record=replace(t.record, yardstick=YardstickRecord(800, 320_000_000))) for t in run.trials
    )
    made = table("cpu", "hello", summary(replace(run, trials=laid)))
    assert made.headers[3:5] == ("µs/request", "yardsticks/request")
    of_one, in_us = made.frame["yardsticks/request"], made.frame["µs/request"]
    assert (of_one * 400).tolist() == pytest.approx(in_us.tolist(), rel=1e-5)
    assert all(made.frame["yardsticks/request low"] < of_one)
    assert all("±" in row[4].text or "[" in row[4].text for row in made.rows)


def test_the_best_is_marked_and_ties_are_not() -> None:
    """The one variant that beats all others is marked; two that tie for the lead are not."""
    lead = table("throughput", "hello")
    assert [row[1].best for row in lead.rows] == [True, False, False]
    speed = synthetic.Speed(3000.0, 300.0, 50.0)
    tied = table(
        "throughput", "hello", summary(synthetic.run({"a": speed, "b": speed}, ("hello",), twin=None))
    )
    assert not any(shown.best for row in tied.rows for shown in row)
    assert [row[3].text for row in tied.rows] == ["1–2", "1–2"]


def test_invalid_cells_are_shown_and_never_ranked() -> None:
    """A cell without a valid trial says so in its row, comes last, and has no rank in any format."""
    made = table("throughput", "history")
    last = [shown.text for shown in made.rows[-1]]
    assert last == ["django-gunicorn", "invalid", "–", "–", "errors", "0 of 5 (errors)"]
    assert made.frame.iloc[-1][["rank from", "rank to"]].isna().all()
    ranks = [row[3].text for row in made.rows[:-1]]
    assert ranks == ["1–2", "1–2"], "four blocks allow no verdict"


def test_what_is_not_implemented_is_shown_as_such() -> None:
    """A variant without a part in a scenario is its last row, without a figure or rank; in CSV it is none."""
    whole = synthetic.run()
    parts = [t for t in whole.trials if (t.record.cell.variant, t.record.cell.scenario) != LEFT_OUT]
    made = table("throughput", "history", summary(synthetic.with_trials(whole, *parts)))
    assert [shown.text for shown in made.rows[-1]] == [LEFT_OUT[0], "not implemented", "–", "–", "–", "–"]
    assert [row[3].text for row in made.rows[:-1]] == ["1", "2"]
    assert LEFT_OUT[0] not in table_formats.to_csv([made], "throughput")
    markdown = table_formats.to_markdown([made])
    assert f"| {LEFT_OUT[0]} | not implemented | – |" in markdown


def test_twins_are_no_rows() -> None:
    """The twin of an A/A pair measures noise and is not a competitor."""
    assert len(table("throughput", "hello").rows) == 3


def test_the_slowest_is_the_base_of_ratios() -> None:
    """Ratios say how many times the slowest ranked variant, with the interval the right way round."""
    frame = table("throughput", "hello").frame.set_index("variant")
    row = frame.loc["fastapi-uvicorn"]
    assert row["ratio vs slowest low"] < row["ratio vs slowest"] < row["ratio vs slowest high"]
    assert row["ratio vs slowest"] == pytest.approx(7200 / 3480, rel=0.03)
    assert frame.loc["django-gunicorn", "ratio vs slowest"] == 1.0


def test_markdown_keeps_its_columns() -> None:
    """Pipes, code marks, tags and new lines of a name stay text of one field."""
    text = table_formats.to_markdown(hostile())
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    bare = [line.replace("\\|", "") for line in rows]
    assert len({line.count("|") for line in bare[: len(HOSTILE) + 1]}) == 1
    assert "</script>" not in text
    assert "<" not in text
    assert "a\\|b\\`c\\`" in text


def test_csv_has_no_formula() -> None:
    """A name that begins as a formula is led by an apostrophe; numbers stay numbers."""
    rows = list(csv.DictReader(io.StringIO(table_formats.to_csv(hostile(), "throughput"))))
    names = {row["variant"] for row in rows}
    assert "'=cmd()" in names
    assert len(rows) == len(HOSTILE)
    assert all(float(row["requests/s"]) > 0 for row in rows)
    negative = tables.build(summary())[0]
    negative.frame.loc[0, "requests/s low"] = -5.0
    assert ",-5.0," in table_formats.to_csv([negative], "throughput")


def test_the_terminal_is_not_steered() -> None:
    """Escape sequences, bidirectional marks and markup of a name reach the terminal as text or not at all."""
    console = Console(width=200, file=io.StringIO(), color_system=None)
    console.print(table_formats.to_rich(hostile()[0]))
    out = cast(io.StringIO, console.file).getvalue()
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "[bold]x[/bold]" in out
    assert "new line" in out


@pytest.mark.parametrize(("width", "given"), [(20, False), (80, False), (40, True), (80, True)])
def test_figures_are_never_cut(width: int, given: bool) -> None:
    """However narrow the terminal is, a figure stands whole on one line: half of it would be another one.

    So do the words above it.
    """
    for made in tables.build(summary(synthetic.at_a_rate(synthetic.run()) if given else None)):
        console = Console(width=width, file=io.StringIO(), color_system=None, soft_wrap=True)
        console.print(table_formats.to_rich(made))
        out = cast(io.StringIO, console.file).getvalue()
        kept = [at for at, header in enumerate(made.headers) if header not in ("limiter", "valid trials")]
        assert all(row[at].text in out for row in made.rows for at in kept), out
        assert all(word in out for at in kept for word in made.headers[at].split()), out


def test_a_run_without_trials_has_tables() -> None:
    """A run that measured nothing yet still gives tables, all of them invalid."""
    made = tables.build(summary(replace(synthetic.run(), trials=())))
    assert all(row[1].text == "invalid" for t in made for row in t.rows)
    assert table_formats.to_markdown(made)


def test_a_circle_has_no_best() -> None:
    """Where a beats b and b beats c, but a and c tie, nobody beats all others."""
    (group,) = groups(
        summary(synthetic.run(dict.fromkeys("abc", synthetic.Speed(900, 900, 50)), ("hello",), twin=None))
    )
    verdicts: dict[tuple[str, str], Verdict] = {("a", "b"): "slower", ("b", "c"): "slower", ("a", "c"): "tie"}
    compared = tuple(replace(one, verdict=verdicts[one.base, one.contender]) for one in group.compared)
    assert best_of(replace(group, compared=compared), "requests_per_s") is None
    leads = tuple(replace(one, verdict="slower" if one.base == "a" else "tie") for one in group.compared)
    assert best_of(replace(group, compared=leads), "requests_per_s") == "a"


def test_nobody_is_ranked_alone() -> None:
    """A single variant has neither a rank nor a ratio to itself."""
    run = synthetic.run({"a": synthetic.Speed(900, 900, 50)}, ("hello",), twin=None)
    made = table("throughput", "hello", summary(run))
    assert [shown.text for shown in made.rows[0][2:4]] == ["–", "–"]


def test_at_a_given_rate_response_times_rank() -> None:
    """Rank, ratio and mark are of the p50, in place of requests/s, which are given."""
    of = summary(synthetic.at_a_rate(synthetic.run(scenarios=("hello",))))
    made = table("throughput", "hello", of)
    assert made.headers[1:4] == ("p50 ms", "vs slowest", "rank")
    assert made.rows[0][0].text == "fastapi-uvicorn"
    assert [row[1].best for row in made.rows] == [True, False, False]
    assert [row[3].text for row in made.rows] == ["1", "2–3", "2–3"]
    first = made.frame.iloc[0]
    assert first["ratio vs slowest"] == pytest.approx(3480 / 7200, rel=0.03)
    assert first["ranked by"] == "p50"


def test_at_a_given_rate_both_times_and_the_lag_are_shown() -> None:
    """The latency table says what response and service time are, and how late requests were sent."""
    made = table("latency", "hello", summary(synthetic.at_a_rate(synthetic.run(scenarios=("hello",)))))
    assert "from when a request was due" in made.title
    assert "from its actual send" in made.title
    row = dict(zip(made.headers, (shown.text for shown in made.rows[0]), strict=True))
    assert float(row["service p50 ms"]) > 0
    assert float(row["mean lag ms"]) == pytest.approx(float(row["mean ms"]) / 50, rel=0.05)
    assert row["idle lag p99 ms"] == "0.150"
    assert "service p50 ms" not in table("latency", "hello").headers


def test_who_misses_the_rate_is_not_ranked() -> None:
    """One that does not keep up is shown as invalid with the reason, and the others are ranked."""
    of = summary(synthetic.at_a_rate(synthetic.run(scenarios=("hello",)), late="django-gunicorn"))
    last = [shown.text for shown in table("throughput", "hello", of).rows[-1]]
    assert last[:2] == ["django-gunicorn", "invalid"]
    assert last[-1] == "0 of 5 (rate-not-reached)"


def test_at_shares_of_their_own_the_rate_of_each_is_shown() -> None:
    """Rows of one table have rates of their own there, so a p50 alone would mislead."""
    run = synthetic.at_a_rate(synthetic.run(scenarios=("hello",)))
    shares = tuple(
        replace(
            one,
            record=replace(
                one.record, cell=replace(one.record.cell, load=Load("rate", 200, 500.0, share=0.5))
            ),
        )
        for one in run.trials
    )
    shown = tables.build(summary(synthetic.with_trials(run, *shares)))[0]
    assert shown.headers[:3] == ("variant", "p50 ms", "requests/s")
    assert shown.load == "rate, 200 users, 50 % of its own capacity (poisson)"


def test_csv_holds_both_profiles() -> None:
    """A file over a closed load and a given rate has the columns of both, blank where one has none."""
    closed = tables.build(summary(synthetic.run(scenarios=("hello",))))
    given = tables.build(summary(synthetic.at_a_rate(synthetic.run(scenarios=("hello",)))))
    rows = list(csv.DictReader(io.StringIO(table_formats.to_csv([*closed, *given], "throughput"))))
    held = [(row["ranked by"], bool(row["requests/s"]), bool(row["p50 ms"])) for row in rows]
    assert held == [("requests/s", True, False)] * 3 + [("p50", False, True)] * 3


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (Load("closed", 10), "closed, 10 users"),
        (Load("closed", 1), "closed, 1 user"),
        (Load("closed", 10, think_s=0.5), "closed, 10 users, 0.5 s think time (exponential)"),
        (Load("rate", 10, 500.0, "constant"), "rate, 10 users, 500 requests/s (constant)"),
    ],
)
def test_a_load_is_told_whole(load: Load, words: str) -> None:
    """Whatever tells two loads apart is in their words."""
    assert wording.load(load) == words
