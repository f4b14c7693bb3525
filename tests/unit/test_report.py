import hashlib
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic
from pages import Tags

from harness.ground.errors import EnvironmentUnfit
from harness.judgement.comparison import GIVEN
from harness.judgement.judge import judge, reported_trials
from harness.output import tables
from harness.output.report import embedded, facts, trust
from harness.output.report import page as report
from harness.output.report.answers import Answer, answer, headline
from harness.output.report.claimed import claimed
from harness.output.report.page import report_files, write_report
from harness.output.standings import groups
from harness.records.claims import Claim, Claims, Conditions, OfBenchmark, OfCell, OfPair, Untestable
from harness.records.run import StoredRun

ANYWHERE = Conditions(None, None, None)
FASTAPI = "fastapi-uvicorn"
SLOW = synthetic.Speed(1000, 900, 50)
HOSTILE = "</script><img src=x onerror=alert(1)>\u202e"


def page(run: StoredRun) -> str:
    """Return a run's page."""
    summary = judge(run)
    return report.page(run, summary, reported_trials(run), tables.build(summary))


def answers(run: StoredRun) -> list[Answer]:
    """Return a run's answers."""
    return [answer(group) for group in groups(judge(run))]


def hostile() -> StoredRun:
    """Return a run whose variant, scenario, version, failure and fingerprint attack the page."""
    run = synthetic.run({HOSTILE: synthetic.Speed(900, 900, 50)}, (HOSTILE,), twin=None)
    failed = replace(run.trials[0].record, failure=HOSTILE, load=None, phases=None, versions={"x": HOSTILE})
    record = replace(run.record, fingerprint={HOSTILE: HOSTILE}, command=HOSTILE, services={HOSTILE: HOSTILE})
    trials = (replace(run.trials[0], record=failed), *run.trials[1:])
    return replace(run, trials=trials, record=record)


def test_foreign_text_is_data() -> None:
    """A hostile name makes no element, no handler, and no text that runs backwards, from wherever."""
    text = page(hostile())
    seen = Tags(text)
    assert not seen.tags & {"img", "iframe", "object", "link"}
    assert not seen.handlers
    assert "\u202e" not in text
    assert "&lt;/script&gt;" in text
    assert seen.scripts.keys() == {None, "application/json"}
    assert seen.scripts[None] == [embedded.script()]
    islands = [json.loads(one) for one in seen.scripts["application/json"]]
    assert any("</script><img" in json.dumps(one) for one in islands)
    assert "\\u202e" not in "".join(seen.scripts["application/json"])


def test_nothing_is_fetched() -> None:
    """The page forbids other sources and refers to nothing but itself."""
    text = page(synthetic.recorded())
    seen = Tags(text)
    (policy,) = seen.policies
    assert re.fullmatch(
        r"default-src 'none'; script-src 'sha256-\S{44}'; style-src 'sha256-\S{44}'; base-uri 'none'; "
        r"form-action 'none'",
        policy,
    )
    assert all(address.startswith("#") for address in seen.addresses)
    assert seen.styled == []  # the policy would forbid it
    own = text.replace(embedded.LIBRARY.read_text(), "")
    assert len(own) < len(text) - 700_000
    assert not re.search(r"https?://|@import|url\((?!#)", own)


def test_ids_are_unique() -> None:
    """Each part of the page can be linked."""
    ids = Tags(page(synthetic.recorded())).ids
    assert len(ids) == len(set(ids))
    assert {"answer", "trust", "ranking", "figures", "evidence", "method", "limits"} <= set(ids)


def test_the_chart_library_is_the_published_one() -> None:
    """The page runs the file whose checksum stands beside it, with its licences; it can't end its element."""
    folder = embedded.ECHARTS
    checksum, name = (folder / "SHA256SUMS").read_text().split()
    library = (folder / name).read_bytes()
    assert hashlib.sha256(library).hexdigest() == checksum
    assert name == embedded.LIBRARY.name
    assert checksum == "61f13280aba3161f77fc801bf5f9c786f55f10432153a0683fc5cc0700b013d5"  # of 6.1.0
    assert {"LICENSE", "LICENSE-d3", "NOTICE"} <= {path.name for path in folder.iterdir()}
    assert not re.search(r"</script|<!--", embedded.script(), re.IGNORECASE)
    assert "\r" not in embedded.script()


@pytest.mark.slow
def test_same_bytes_twice(tmp_path: Path) -> None:
    """A report is rebuilt from the stored run to the same bytes, also over an older one."""
    run = synthetic.on_disk(synthetic.recorded(), tmp_path / "results")
    first, second = tmp_path / "first", tmp_path / "second"
    second.mkdir()
    (second / "index.html").write_text("older")
    for folder in (first, second):
        assert write_report(run, judge(run), reported_trials(run), folder) == folder / "index.html"
    files = {path.name: path.read_bytes() for path in first.iterdir()}
    assert files == {path.name: path.read_bytes() for path in second.iterdir()}
    assert set(files) == {
        "index.html", "summary.json", "tables.md",
        "throughput.csv", "latency.csv", "cpu.csv", "memory.csv",
        "throughput.png", "latency.png", "resources.png",
    }  # fmt: skip


CLAIMS = Claims(
    "Which framework? <b>",
    "a wiki",
    (
        Claim("rate", "7000 & more", 7000, math.inf, ANYWHERE, OfCell(GIVEN, FASTAPI, "hello", "requests/s")),
        Claim("pair", "twice", 2, 2.2, ANYWHERE, OfPair(GIVEN, FASTAPI, "flask-gunicorn", "hello")),
        Claim("elsewhere", "5 a second", 5, 5, ANYWHERE, OfCell(GIVEN, FASTAPI, "text", "requests/s")),
        Claim("image", "smaller", 1, 2, ANYWHERE, OfBenchmark("image-sizes.json", ("size",))),
        Claim("people", "happier", 1, 2, ANYWHERE, Untestable("about people")),
    ),
)


def test_claims_about_the_run_are_told_and_the_rest_counted() -> None:
    """Who claims what, with verdicts, as data; what this run does not measure is a number in one line."""
    run = synthetic.run(scenarios=("hello",), drift=0.001)
    summary = judge(run)
    found = claimed(CLAIMS, summary, run.placement.caps)
    assert found is not None
    assert [row[0].text for row in found.grid.rows] == ["7000 & more", "twice"]
    assert [row[4].text for row in found.grid.rows] == ["reproduced", "reproduced"]
    text = report.page(run, summary, reported_trials(run), tables.build(summary), CLAIMS)
    assert "3 more of its claims are not measured by this run" in text
    assert "7000 &amp; more" in text
    assert "Which framework? &lt;b&gt;" in text
    assert '<a href="#claims">' in text
    fewer = replace(CLAIMS, claims=CLAIMS.claims[:3])
    text = report.page(run, summary, reported_trials(run), tables.build(summary), fewer)
    assert "1 more of its claims is not measured by this run" in text


def test_a_run_that_measures_no_claim_says_nothing_of_them() -> None:
    """Nothing is said of claims about another scenario, nor where there is no file of claims."""
    run = synthetic.run(scenarios=("history",))
    summary = judge(run)
    for claims in (CLAIMS, None):
        assert claimed(claims, summary, run.placement.caps) is None
        text = report.page(run, summary, reported_trials(run), tables.build(summary), claims)
        assert 'id="claims"' not in text
        assert "#claims" not in text


def test_a_folder_that_takes_nothing_is_told(tmp_path: Path) -> None:
    """Where the report can't be written the user learns where, and that results are kept."""
    (tmp_path / "file").write_text("")
    run = synthetic.run()
    with pytest.raises(EnvironmentUnfit, match="can't be written") as caught:
        write_report(run, judge(run), reported_trials(run), tmp_path / "file")
    assert "results are kept" in caught.value.remedy


def test_no_picture_of_an_older_report_stays(tmp_path: Path) -> None:
    """Where nothing is valid any more, pictures that were drawn before go."""
    run = replace(synthetic.run(scenarios=("hello",)), trials=())
    (tmp_path / "throughput.png").write_text("older")
    (tmp_path / "mine.txt").write_text("kept")
    write_report(run, judge(run), reported_trials(run), tmp_path)
    assert not (tmp_path / "throughput.png").exists()
    assert (tmp_path / "mine.txt").exists()


def test_an_incomplete_run_says_so() -> None:
    """The page of an interrupted run names what is missing and how to go on."""
    run = synthetic.run()
    text = page(replace(run, trials=run.trials[:9], state="incomplete"))
    assert "9 of 35 trials" in text
    assert f"webdyno resume {run.id}" in text
    assert "webdyno resume" not in page(run)


def test_a_run_that_measured_nothing_has_a_page() -> None:
    """Without a single trial the page says that there is no answer."""
    text = page(replace(synthetic.run(scenarios=("hello",)), trials=(), state="incomplete"))
    assert "No answer: no cell has a valid trial." in text


def test_the_fastest_is_named_with_its_interval() -> None:
    """A verdict is told with factor, interval, and the variant that comes next."""
    hello, history = answers(synthetic.recorded())
    assert hello.fastest == "fastapi-uvicorn"
    assert re.fullmatch(
        r"fastapi-uvicorn is fastest: 2\.0\d times \(95\u00a0% interval 2\.0\d to 2\.1\d\) "
        r"the requests/s of flask-gunicorn, the next\.",
        hello.sentence,
    )
    assert history.sentence.startswith("No verdict: fewer than 5 blocks have both valid (4).")
    assert headline([hello, history]).endswith("; no single fastest on history.")


def test_a_tie_names_no_winner() -> None:
    """Two that can't be told apart share the top, and the third is behind them."""
    fast, slow = synthetic.Speed(3000, 300, 50), synthetic.Speed(1000, 900, 50)
    (only,) = answers(synthetic.run({"a": fast, "b": fast, "c": slow}, ("hello",), twin=None))
    assert only.fastest is None
    assert only.sentence.startswith("A tie at the top between ")
    assert "within the noise" in only.sentence
    assert "those of c." in only.sentence
    assert "blocks would find" not in only.sentence  # these were enough
    (noisy,) = answers(synthetic.run({"a": fast, "b": fast}, ("hello",), twin=None, noise=0.06))
    assert re.search(
        r"With this noise about \d+ blocks would find a difference of 5\u00a0%\.$", noisy.sentence
    )


@pytest.mark.parametrize(("b", "begins"), [(3000, "A tie at the top between "), (1500, "a served ")])
def test_who_has_too_few_blocks_is_in_no_tie(b: float, begins: str) -> None:
    """What was not judged against the first is named as that, and no other is called the fastest of all."""
    run = synthetic.run(
        {"a": synthetic.Speed(3000, 300, 50), "b": synthetic.Speed(b, 300, 50), "c": SLOW},
        ("hello",),
        twin=None,
    )
    of_c = [trial for trial in run.trials if trial.record.cell.variant == "c"]
    failed = {
        trial.record.number: replace(
            trial, record=replace(trial.record, failure="no", load=None, phases=None, versions={})
        )
        for trial in of_c[1:]
    }
    trials = tuple(failed.get(trial.record.number, trial) for trial in run.trials)
    (only,) = answers(replace(run, trials=trials))
    assert only.sentence.startswith(begins), only
    assert only.sentence.endswith("Too few blocks for a verdict on c.")
    assert " c:" not in only.sentence
    assert only.fastest is None


def test_one_variant_is_no_comparison() -> None:
    """A single variant's figure is told without a rank."""
    (only,) = answers(synthetic.run({"a": synthetic.Speed(3000, 300, 50)}, ("hello",), twin=None))
    assert "no valid other" in only.sentence


def test_the_headline_of_a_clean_sweep() -> None:
    """One that leads everywhere is named once, with its lead on each scenario."""
    text = headline(answers(synthetic.run()))
    assert text.startswith("fastapi-uvicorn is fastest on all 2 scenarios: hello (2.0")
    assert "95\u00a0% interval" in text


def test_the_headline_of_many_scenarios_is_short() -> None:
    """Of more than four the leaders are named, without their factors."""
    one = answers(synthetic.run())[0]
    few, many = ([replace(one, scenario=f"s{n}") for n in range(count)] for count in (4, 5))
    assert "95\u00a0% interval" in headline(few)
    assert headline(many) == "fastapi-uvicorn is fastest on all 5 scenarios: s0, s1, s2, s3 and s4."


def test_the_headline_names_a_scenario_of_several_loads_once() -> None:
    """Of many answers it tells on how many of a scenario's loads somebody leads; of few, on which."""
    one = answers(synthetic.run())[0]
    won = [replace(one, load=f"closed, {users} users") for users in (1, 10, 100)]
    not_won = [
        replace(one, load="closed, 1000 users", fastest=None),
        replace(one, scenario="other", fastest=None),
    ]
    assert headline([*won, *not_won]) == (
        "fastapi-uvicorn is fastest on hello (3 of 4 loads); "
        "no single fastest on hello (1 of 4 loads) and other."
    )
    assert headline([*won, *won]) == "fastapi-uvicorn is fastest on hello (all 6 loads)."
    assert headline(won).startswith("fastapi-uvicorn is fastest on hello, closed, 1 users (2.0")


def test_at_a_given_rate_the_fastest_answers_soonest() -> None:
    """The answer is about response times, at p50 and p99, and never about requests/s."""
    run = synthetic.at_a_rate(synthetic.run(scenarios=("hello",)))
    (only,) = answers(run)
    assert only.fastest == "fastapi-uvicorn"
    assert re.fullmatch(
        r"fastapi-uvicorn is fastest: 0\.4\d times \(95\u00a0% interval .*\) the p50 of flask-gunicorn, "
        r"the next; at p99 0\.4\d times \(.*\)\.",
        only.sentence,
    )
    assert re.match(r"0\.4\d times the next one's p50, 95", only.lead)
    text = page(run)
    assert "hello, by p50" in text
    assert "throughput.png" not in text
    assert "(closed)" not in text
    assert set(report_files(run, judge(run), reported_trials(run))) >= {"latency.png", "resources.png"}


def test_who_misses_the_rate_is_named() -> None:
    """The answer says who did not keep up, whoever is first among the others."""
    fine = synthetic.run(scenarios=("hello",))
    (one_late,) = answers(synthetic.at_a_rate(fine, late="django-gunicorn"))
    assert one_late.fastest == "fastapi-uvicorn"
    assert one_late.sentence.endswith(" django-gunicorn did not keep up with the rate.")
    busy = tuple(
        replace(one, record=replace(one.record, watch=(synthetic.watch(cpu=0.9),)))
        for one in synthetic.at_a_rate(fine, late="django-gunicorn").trials
    )
    (generators_fault,) = answers(synthetic.with_trials(fine, *busy))
    assert "keep up" not in generators_fault.sentence
    alone = synthetic.run({"a": synthetic.Speed(900, 900, 50)}, ("hello",), twin=None)
    (all_late,) = answers(synthetic.at_a_rate(alone, late="a"))
    assert all_late.sentence == "No answer: no cell has a valid trial. a did not keep up with the rate."
    (kept,) = answers(synthetic.at_a_rate(alone))
    assert re.match(r"a had a p50 of .* ms; there is no valid other", kept.sentence)


def test_what_was_busy_stands_in_the_page() -> None:
    """Each cell with a valid trial has its resources: how far used, what waited; a dash for unknown."""
    run = synthetic.run({"flask-gunicorn": synthetic.BASE_SPEEDS["flask-gunicorn"]}, ("hello",), twin=None)
    (row,) = trust.resources(groups(judge(run)))
    told = dict(zip(trust.RESOURCES, row.fields, strict=True))
    assert told["sut-quota"] == ("–", "runs out 25.0 %")
    assert told["listen-queue"] == ("–", "0 errors")
    assert told["generator-cpu"] == ("50.0 %", "waits 1.0 %")
    assert told["host-cpu"] == ("1.0 %", "waits 0.2 %")
    assert "What was busy, what waited, what failed" in page(run)


def test_what_connections_agreed_on_stands_beside_the_versions() -> None:
    """A reader sees each variant's version of TLS and cipher suite; where all is plain there is none."""
    run = synthetic.run(scenarios=("hello",))
    assert "TLSv1" not in page(run)
    summary = judge(run)
    agreed = ("TLSv1.3 TLS_AES_256_GCM_SHA384",)
    by_tls = replace(summary, cells=tuple(replace(cell, tls=agreed) for cell in summary.cells))
    lines = dict(facts.versions(by_tls))
    assert lines
    assert all(line.endswith(agreed[0]) for line in lines.values()), lines
