import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import synthetic

from harness.ground.errors import EnvironmentUnfit
from harness.judgement.judge import judge
from harness.output.report import facts, trust
from harness.output.report.answers import Answer, answer, headline
from harness.output.report.page import report_files, write_report
from harness.output.standings import groups
from harness.records.store import StoredRun

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e"


def page(run: StoredRun) -> str:
    """Return a run's page."""
    return report_files(run, judge(run))["index.html"].decode()


def answers(run: StoredRun) -> list[Answer]:
    """Return a run's answers."""
    return [answer(group) for group in groups(judge(run))]


class Tags(HTMLParser):
    """Collects what a browser would see as elements and ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "action"):
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)


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
    assert not seen.tags & {"script", "img", "iframe", "object", "link"}
    assert not seen.handlers
    assert "\u202e" not in text
    assert "&lt;/script&gt;" in text


def test_nothing_is_fetched() -> None:
    """The page forbids other sources and refers to nothing but itself."""
    text = page(synthetic.recorded())
    seen = Tags(text)
    assert "default-src 'none'" in text
    assert all(address.startswith("#") for address in seen.addresses)
    assert not re.search(r"https?://|@import|url\((?!#)", text)


def test_ids_are_unique() -> None:
    """Three pictures in one page share no id."""
    ids = Tags(page(synthetic.recorded())).ids
    assert len(ids) == len(set(ids)) > 10


@pytest.mark.slow
def test_same_bytes_twice(tmp_path: Path) -> None:
    """A report is rebuilt from the stored run to the same bytes, also over an older one."""
    run = synthetic.on_disk(synthetic.recorded(), tmp_path / "results")
    first, second = tmp_path / "first", tmp_path / "second"
    second.mkdir()
    (second / "index.html").write_text("older")
    for folder in (first, second):
        assert write_report(run, judge(run), folder) == folder / "index.html"
    files = {path.name: path.read_bytes() for path in first.iterdir()}
    assert files == {path.name: path.read_bytes() for path in second.iterdir()}
    assert set(files) == {
        "index.html", "summary.json", "tables.md",
        "throughput.csv", "latency.csv", "cpu.csv", "memory.csv",
        "throughput.png", "latency.png", "resources.png",
    }  # fmt: skip


def test_a_folder_that_takes_nothing_is_told(tmp_path: Path) -> None:
    """Where the report can't be written the user learns where, and that results are kept."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentUnfit, match="can't be written") as caught:
        write_report(synthetic.run(), judge(synthetic.run()), tmp_path / "file")
    assert "results are kept" in caught.value.remedy


def test_no_picture_of_an_older_report_stays(tmp_path: Path) -> None:
    """Where nothing is valid any more, pictures that were drawn before go."""
    run = replace(synthetic.run(scenarios=("hello",)), trials=())
    (tmp_path / "throughput.png").write_text("older")
    (tmp_path / "mine.txt").write_text("kept")
    write_report(run, judge(run), tmp_path)
    assert not (tmp_path / "throughput.png").exists()
    assert (tmp_path / "mine.txt").exists()


def test_an_incomplete_run_says_so() -> None:
    """The page of an interrupted run names what is missing and how to go on."""
    run = synthetic.run()
    text = page(replace(run, trials=run.trials[:9], state="incomplete"))
    assert "9 of 35 trials" in text
    assert f"webdyno resume {run.id}" in text
    assert "resume" not in page(run)


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
    assert history.sentence.startswith("No verdict: fewer than 5 blocks (4).")
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
    few, many = ([answers(synthetic.run())[0]] * count for count in (4, 5))
    assert "95\u00a0% interval" in headline(few)
    assert headline(many).startswith("fastapi-uvicorn is fastest on all 5 scenarios: hello, hello")
    assert "interval" not in headline(many)


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
    assert set(report_files(run, judge(run))) >= {"latency.png", "resources.png"}


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
