from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic
from served import APPS

from harness.cli.claiming import reported_claims
from harness.cli.main import run_command_line
from harness.ground.errors import UsageError
from harness.ground.model import Caps
from harness.judgement.claims import JudgedClaim, judge_claims, products
from harness.judgement.judge import judge
from harness.output import claim_tables
from harness.records.claims import Claim, Claims, Conditions, OfBenchmark, OfCell, OfPair, load_claims
from harness.records.manifest import find_scenarios
from harness.records.project import Project

RUN = synthetic.run(scenarios=("hello",), drift=0.001)
SUMMARY = judge(RUN)
ONE_CPU = RUN.placement.caps
FOUR_CPUS = Caps(4.0, 8 << 30)
ARTICLE = APPS.parent / "claims" / "article.toml"
VARIANTS = tuple(synthetic.BASE_SPEEDS)
SCENARIOS = find_scenarios(APPS.parent / "scenarios")

RATE = OfCell("requests_per_s", "fastapi-uvicorn", "hello", "requests/s")
TIME = OfCell("response_ms.mean", "fastapi-uvicorn", "hello", "ms")
PAIR = OfPair("requests_per_s", "fastapi-uvicorn", "flask-gunicorn", "hello")


def claim(
    measure: OfCell | OfPair | OfBenchmark, low: float, high: float | None = None, cpus: float | None = 4.0
) -> Claim:
    """Return a claim of a value or a range, for 1000 users and some CPUs."""
    conditions = Conditions(cpus, None, 1000)
    return Claim("some-claim", "what somebody says", low, low if high is None else high, conditions, measure)


def judged(one: Claim, caps: Caps = ONE_CPU, benchmarks: dict[str, object] | None = None) -> JudgedClaim:
    """Return one claim with its verdict."""
    (found,) = judge_claims([one], SUMMARY, caps, benchmarks or {})
    return found


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (7000.0, 7400.0, "reproduced"),
        (8000.0, 9000.0, "lower"),
        (1000.0, 2000.0, "higher"),
        (-math.inf, 5000.0, "higher"),
        (10_000.0, math.inf, "lower"),
        (5000.0, math.inf, "reproduced"),
    ],
)
def test_the_verdict_says_how_the_measured_lies_to_the_claimed(low: float, high: float, verdict: str) -> None:
    """Reproduced where the interval reaches the range; else on which side of it the interval lies."""
    found = judged(claim(RATE, low, high), FOUR_CPUS)
    assert found.verdict == verdict
    assert found.measured is not None
    assert found.measured.low is not None
    assert found.measured.low < 7200 * 1.02
    assert found.per_core is None


def test_an_absolute_figure_needs_the_claims_own_caps_and_a_ratio_does_not() -> None:
    """With fewer CPUs the rate is not testable, with the figures for one CPU beside; the ratio is judged."""
    rate, ratio = judged(claim(RATE, 12195)), judged(claim(PAIR, 2.0, 2.1))
    assert (rate.verdict, rate.why) == ("not testable here", "claimed for 4 CPUs, here 1")
    assert rate.per_core is not None
    assert rate.per_core[0] == pytest.approx(3048.75)
    assert rate.per_core[1] == rate.measured
    assert "3048.8 claimed" in claim_tables.note_in_words(rate)
    assert ratio.verdict == "reproduced"


def test_a_row_with_a_cap_of_its_own_is_judged_under_it() -> None:
    """What the run's cap does not meet, a row's own may, and its requests/s are divided by its own CPUs."""
    cells = tuple(replace(cell, variant=replace(cell.variant, cpus=0.5)) for cell in SUMMARY.cells)
    capped = replace(SUMMARY, cells=cells)
    (half,) = judge_claims([claim(RATE, 7200, cpus=0.5)], capped, ONE_CPU, {})
    assert half.verdict == "reproduced"
    (whole,) = judge_claims([claim(RATE, 7200, cpus=1.0)], capped, ONE_CPU, {})
    assert whole.why == "claimed for 1 CPUs, here 0.5"
    assert whole.measured is not None
    assert whole.per_core is not None
    assert whole.per_core[1].value == pytest.approx(2 * whole.measured.value)


def test_a_ratio_is_turned_over_with_its_interval() -> None:
    """Whichever of a pair the run calls the base, the claim's own lies below the line."""
    up = judged(claim(PAIR, 2.06)).measured
    down = judged(claim(replace(PAIR, variant=PAIR.over, over=PAIR.variant), 0.49)).measured
    assert up is not None
    assert down is not None
    assert up.low is not None
    assert down.high is not None
    assert up.value * down.value == pytest.approx(1)
    assert up.low * down.high == pytest.approx(1)
    assert up.value == pytest.approx(2.06, rel=0.03)


def test_a_unit_of_the_claims_own_is_reckoned_with() -> None:
    """A time in seconds is judged as the same time in milliseconds is."""
    ms, s = judged(claim(TIME, 139), FOUR_CPUS), judged(claim(replace(TIME, unit="s"), 0.139), FOUR_CPUS)
    assert ms.measured is not None
    assert s.measured is not None
    assert ms.measured.value == pytest.approx(1000 * s.measured.value)
    assert ms.verdict == s.verdict


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (claim(replace(RATE, scenario="text"), 6800), "this run does not measure it"),
        (
            replace(claim(RATE, 6800), conditions=Conditions(None, None, 500)),
            "claimed for 500 users, measured with 1000",
        ),
        (claim(replace(RATE, metric="hit_rate", unit="%"), 62, cpus=1), "not measured in this run"),
        (claim(OfBenchmark("slim.json", ("ratio",)), 1), "slim.json is not there"),
    ],
)
def test_what_was_not_measured_is_not_testable(one: Claim, why: str) -> None:
    """It says why, and has no figure."""
    found = judged(one)
    assert (found.verdict, found.measured) == ("not testable here", None)
    assert why in found.why


def test_few_blocks_and_invalid_trials_bear_nothing_out() -> None:
    """A figure of four trials is shown and not judged; one of no valid trial is not shown."""
    few = judge(synthetic.run(scenarios=("hello",), blocks=4, drift=0.001))
    spoilt = judge(synthetic.with_errors(RUN, "fastapi-uvicorn", "hello", range(1, 6)))
    for one in (claim(RATE, 7200), claim(PAIR, 2.06)):
        (found,) = judge_claims([one], few, FOUR_CPUS, {})
        assert found.verdict == "not testable here"
        assert found.measured is not None
        (found,) = judge_claims([one], spoilt, FOUR_CPUS, {})
        assert (found.verdict, found.measured) == ("not testable here", None)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ({"ratio": 0.3, "low": 0.29, "high": 0.31}, "lower"),
        ({"value": 0.6, "low": 0.59, "high": 0.61}, "reproduced"),
        ({"value": 0.6}, "not testable here"),
        ({"value": 0.6, "low": 0.0, "high": 2.0}, "not testable here"),
        ({"value": "0.6", "low": 0.59, "high": 0.61}, "not testable here"),
        (None, "not testable here"),
    ],
)
def test_a_benchmarks_figure_is_judged_like_any_other(found: object, verdict: str) -> None:
    """By its interval; without one, with one that says nothing, or without a number, not at all."""
    one = claim(OfBenchmark("classifier.json", ("int8", "ratio")), 0.6)
    assert judged(one, benchmarks={"classifier.json": {"int8": {"ratio": found}}}).verdict == verdict


def test_a_rate_times_its_response_time_is_the_users() -> None:
    """The article's three pairs are 1000.0, 999.2 and 1000.0 requests in flight."""
    article = load_claims(ARTICLE, VARIANTS, SCENARIOS)
    found = products(article.claims)
    assert [f"{one.in_flight:.1f}" for one in found] == ["1000.0", "999.2", "1000.0"]
    assert {one.users for one in found} == {1000}


def test_every_number_of_the_article_gets_a_verdict() -> None:
    """Each of its claims has a row, with a reason where it is not testable."""
    article = load_claims(ARTICLE, VARIANTS, SCENARIOS)
    every = judge_claims(article.claims, SUMMARY, ONE_CPU, {})
    assert len(every) == len(article.claims) >= 25
    assert all(one.why for one in every if one.verdict == "not testable here")
    of_pairs = {one.claim.id: one.verdict for one in every if one.measured and not one.per_core}
    assert of_pairs["four-times-flask"] == "lower"
    verdicts, arithmetic = claim_tables.build(article, every, products(article.claims))
    assert len(verdicts.rows) == len(every)
    assert len(arithmetic.rows) == 3


HEAD = 'title = "t"\nsource = "s"\n'
FIGURE = (
    'figure = { metric = "requests_per_s", variant = "flask-gunicorn", scenario = "hello", '
    'unit = "requests/s" }'
)
CLAIM = f'[[claim]]\nid = "one"\nsays = "x"\nvalue = 1\n{FIGURE}\n'


def load(text: str, folder: Path) -> Claims:
    """Return a claims file of this text, read."""
    path = folder / "claims.toml"
    path.write_text(text, encoding="utf-8")
    return load_claims(path, VARIANTS, SCENARIOS)


def test_the_smallest_file_is_read(tmp_path: Path) -> None:
    """Conditions may be left out."""
    (one,) = load(HEAD + CLAIM, tmp_path).claims
    assert one.conditions == Conditions(None, None, None)
    assert (one.low, one.high) == (1, 1)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"hello"', '"helo"', ["one.scenario", "helo", "did you mean hello?"]),
        ('"flask-gunicorn"', '"flask-gunicron"', ["one.variant", "did you mean flask-gunicorn?"]),
        ('"requests/s"', '"ms"', ["one.figure.unit", "can't be in 'ms'", "write one of requests/s"]),
        ('"requests_per_s"', '"request_per_s"', ["one.figure.metric", "did you mean requests_per_s?"]),
        ("value = 1", "valeu = 1", ["claim.0.valeu", "is not a key", "did you mean value?"]),
        ("value = 1", "", ["one", "has no number", "value, between, at_most, at_least"]),
        ("value = 1", "value = 1\nat_most = 2", ["one", "has value and at_most"]),
        ("value = 1", "value = nan", ["claim.0.value", "finite"]),
        ("value = 1", "between = [2, 1]", ["one.between", "write the lesser first"]),
        (FIGURE, "", ["one", "has no measure", "figure, ratio, benchmark, untestable"]),
        (FIGURE, FIGURE + '\nuntestable = "no"', ["one", "has figure and untestable"]),
        ('scenario = "hello", ', "", ["claim.0.figure.scenario", "is missing"]),
        ('id = "one"', 'id = "One"', ["claim.0.id"]),
        (CLAIM, CLAIM + CLAIM, ["one", "is the id of two claims"]),
        (CLAIM, CLAIM + '[claim.conditions]\nmemory = "much"\n', ["one.conditions.memory", "'much'"]),
        (FIGURE, 'benchmark = { file = "../x.json", key = "a" }', ["claim.0.benchmark.file"]),
        (
            FIGURE,
            'ratio = { metric = "startup_s", variant = "flask-gunicorn", over = "django-gunicorn", '
            'scenario = "hello" }',
            ["one.ratio.metric", "startup_s"],
        ),
        (HEAD, "title = \n", ["can't be read", "article.toml"]),
        (CLAIM, "", ["claim", "is missing"]),
    ],
)
def test_a_mistake_is_told_with_file_key_and_remedy(
    old: str, new: str, words: list[str], tmp_path: Path
) -> None:
    """Each kind of mistake in a claims file."""
    text = HEAD + CLAIM
    assert old in text
    with pytest.raises(UsageError) as told:
        load(text.replace(old, new), tmp_path)
    for word in ("claims.toml", *words):
        assert word in str(told.value)
    assert told.value.remedy


def test_a_file_that_is_not_there_is_told() -> None:
    """With its path and a remedy."""
    with pytest.raises(UsageError, match=r"none\.toml.*can't be read"):
        load_claims(Path("none.toml"), VARIANTS, SCENARIOS)


def test_the_command_prints_a_table_markdown_or_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All claims of the article in each, and the products of its numbers."""
    stored = synthetic.on_disk(RUN, tmp_path)
    words = ["claims", stored.id, "--results", str(tmp_path)]
    assert run_command_line(words) == 0
    table = capsys.readouterr().out
    assert "12195 requests/s" in table
    assert "999.2" in table
    assert re.search(r"2\.\d+ \[[12]\.\d+, 2\.\d+\]", table)
    assert run_command_line([*words, "--markdown"]) == 0
    assert "| FastAPI: 12195 QPS |" in capsys.readouterr().out
    assert run_command_line([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["run"] == stored.id
    by_id = {one["id"]: one for one in document["claims"]}
    assert by_id["four-times-flask"]["verdict"] == "lower"
    assert by_id["ten-thousands"]["claimed"] == {"low": 10000.0, "high": None}
    assert len(document["products"]) == 3


def test_the_command_refuses_a_wrong_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, one message, no traceback."""
    stored = synthetic.on_disk(RUN, tmp_path / "results")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("title = 1\n", encoding="utf-8")
    words = ["claims", stored.id, "--results", str(tmp_path / "results"), "--claims", str(wrong)]
    assert run_command_line(words) == 2
    assert "wrong.toml" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["no TOML", 'title = "x"\n', ""], ids=["no-toml", "a-key-missing", "empty"])
def test_a_wrong_file_costs_the_report_its_claims_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """The report is made without that section, and a word tells which file is wrong."""
    for name in ("apps", "scenarios", "claims"):
        (tmp_path / name).mkdir()
    path = tmp_path / "claims" / "article.toml"
    path.write_text(text)
    assert reported_claims(Project(tmp_path), RUN) is None
    told = " ".join(capsys.readouterr().err.split())
    assert told.startswith("the report is without claims: ")
    assert str(path) in told.replace(" ", "")
