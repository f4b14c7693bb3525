import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic
from pages import Tags

from harness.cli.main import run_command_line
from harness.ground.errors import EnvironmentUnfit
from harness.judgement.judge import judge
from harness.output.report import embedded
from harness.output.report.overview import overview, write_overview
from harness.output.report.shelf import Shelf, found_in
from harness.records.run import StoredRun
from harness.records.store import Results
from harness.records.summary_json import to_json

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e"
OLD, NEW = "20261124-120000-standard", "20261125-093000-standard"


def shelved(tmp_path: Path, *runs: StoredRun) -> Shelf:
    """Store runs with their reports, and return what is found of them."""
    for run in runs:
        synthetic.on_disk(run, tmp_path / "results")
        reported(run, tmp_path / "reports")
    return found(tmp_path)


def reported(run: StoredRun, reports: Path) -> None:
    """Write the files of a run's report that the page of all runs looks at."""
    (reports / run.id).mkdir(parents=True)
    (reports / run.id / "summary.json").write_text(to_json(judge(run)))
    (reports / run.id / "index.html").write_text("the report")


def found(tmp_path: Path) -> Shelf:
    """Look at the folders of a test."""
    return found_in(tmp_path / "reports", Results(tmp_path / "results"))


def small(run_id: str = OLD) -> StoredRun:
    """Return a run of one cell."""
    return synthetic.named(synthetic.run({"a": synthetic.Speed(900, 900, 50)}, ("hello",), 1, None), run_id)


def test_runs_are_listed_with_what_their_reports_say(tmp_path: Path) -> None:
    """The newest first: headline and trials of the report's summary, plan and state of the run."""
    run = synthetic.recorded()
    newest, oldest = shelved(tmp_path, synthetic.named(run, OLD), synthetic.named(run, NEW)).entries
    assert (newest.run, oldest.run) == (NEW, OLD)
    assert newest.began == "2026-11-25 09:30 UTC"
    assert (newest.suite, newest.state, newest.address) == ("standard", "sealed", f"{NEW}/index.html")
    assert newest.told is not None
    assert newest.told.headline.startswith("fastapi-uvicorn is fastest on hello (2.0")
    assert (newest.told.valid, newest.told.trials) == (29, 35)
    assert newest.outline is not None
    assert newest.outline.record.planned == 35
    assert newest.variants == ("django-gunicorn", "fastapi-uvicorn", "flask-gunicorn")


def test_no_run_is_judged_for_the_list(tmp_path: Path) -> None:
    """What a run's trials hold is not looked at: a broken one changes nothing."""
    (before,) = shelved(tmp_path, small()).entries
    (tmp_path / "results" / OLD / "trials/001/trial.json").write_text("{")
    assert found(tmp_path).entries == (before,)


def test_a_run_without_a_report_is_listed_from_its_record(tmp_path: Path) -> None:
    """It has no headline and no link, and says so; an interrupted one is incomplete."""
    synthetic.on_disk(small(), tmp_path / "results")
    (tmp_path / "results" / OLD / "manifest.json").unlink()
    (entry,) = found(tmp_path).entries
    assert (entry.suite, entry.state, entry.variants, entry.told) == ("standard", "incomplete", ("a",), None)
    text = overview(found(tmp_path))
    assert "No report" in text
    assert "1 of 1 trials stored" in text
    assert f"webdyno report {OLD}" in text
    assert "href" not in text


def test_a_report_without_its_run_is_listed(tmp_path: Path) -> None:
    """What a report says stays when the run was removed, or was measured elsewhere."""
    reported(small(), tmp_path / "reports")
    (entry,) = found(tmp_path).entries
    assert (entry.state, entry.outline, entry.address) == ("report only", None, f"{OLD}/index.html")
    assert "planned" not in overview(found(tmp_path))


def test_a_link_leads_only_where_a_page_is(tmp_path: Path) -> None:
    """A report whose page was removed keeps its headline, without a link."""
    shelved(tmp_path, small())
    (tmp_path / "reports" / OLD / "index.html").unlink()
    text = overview(found(tmp_path))
    assert "href" not in text
    assert "there is no valid other to compare with" in text


def broken(folder: Path, name: str, text: str) -> None:
    """Write a file of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "summary.json is not JSON"),
        ("[" * 100_000, "can't be read"),
        ("\x00", "summary.json is not JSON"),
        ('{"schema": 9}', "summary.json has schema 9, not 1"),
        ('{"schema": 1}', "Field required"),
        (to_json(replace(judge(small()), run=NEW)), f"summary.json is of the run '{NEW}'"),
    ],
)
def test_a_broken_summary_is_told_in_a_line(tmp_path: Path, text: str, why: str) -> None:
    """Whatever the file holds, the run is listed from its record, and the reason stands below."""
    shelved(tmp_path, small())
    broken(tmp_path / "reports" / OLD, "summary.json", text)
    shelf = found(tmp_path)
    assert [entry.told for entry in shelf.entries] == [None]
    assert [(one.folder, why in one.why) for one in shelf.left_out] == [(f"reports/{OLD}", True)], (
        shelf.left_out
    )
    assert "A report that does not tell its answer" in overview(shelf)


def test_figures_that_no_run_has_end_nothing(tmp_path: Path) -> None:
    """A ratio of 0, by which a sentence would divide, is a line too."""
    run = synthetic.run(
        {"a": synthetic.Speed(900, 900, 50), "b": synthetic.Speed(90, 900, 50)}, ("hello",), twin=None
    )
    summary = judge(run)
    zero = tuple(replace(one, ratio=0.0, low=0.0, high=0.0) for one in summary.comparisons)
    reported(run, tmp_path / "reports")
    broken(tmp_path / "reports" / OLD, "summary.json", to_json(replace(summary, comparisons=zero)))
    (left,) = found(tmp_path).left_out
    assert left.why.startswith("can't be read")


def test_foreign_and_broken_folders_are_told_in_a_line(tmp_path: Path) -> None:
    """Of what is no run and no report the name is told, with the reason; files and hidden folders are not."""
    shelved(tmp_path, small())
    for folder in ("reports/mine", "results/notes", f"reports/{NEW}", f"results/{NEW}", "reports/.hidden"):
        (tmp_path / folder).mkdir()
    (tmp_path / "reports" / "README.md").write_text("about")
    broken(tmp_path / "results" / "20261126-000000-x", "run.json", "{}")
    os.mkfifo(tmp_path / "reports" / NEW / "summary.json")
    shelf = found(tmp_path)
    assert [entry.run for entry in shelf.entries] == [OLD]
    assert {one.folder: one.why for one in shelf.left_out} == {
        f"results/{NEW}": "is no run",
        "results/notes": "is no run",
        "results/20261126-000000-x": "run.json is damaged: schema: Field required",
        f"reports/{NEW}": "summary.json is not there",
        "reports/mine": "is not named as a run",
    }
    assert overview(shelf).count("<li><code>") == 5


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"headline": 3}', "[" * 100_000])
def test_a_broken_page_of_two_runs_is_told_in_a_line(tmp_path: Path, text: str) -> None:
    """It is not linked, and hides no other."""
    folder = tmp_path / "reports" / f"{OLD}..{NEW}"
    broken(folder, "index.html", "")
    broken(folder, "changes.json", text)
    shelf = found(tmp_path)
    assert shelf.pairs == ()
    assert [one.folder for one in shelf.left_out] == [f"reports/{OLD}..{NEW}"]


def test_pages_of_two_runs_are_linked(tmp_path: Path) -> None:
    """With their own headline, where the page is there."""
    folder = tmp_path / "reports" / f"{OLD}..{NEW}"
    broken(folder, "changes.json", json.dumps({"headline": "No change."}))
    assert found(tmp_path).left_out[0].why == "index.html is not there"
    broken(folder, "index.html", "")
    (pair,) = found(tmp_path).pairs
    assert (pair.base, pair.new, pair.headline) == (OLD, NEW, "No change.")
    assert Tags(overview(found(tmp_path))).addresses == [f"{OLD}..{NEW}/index.html"]


def test_foreign_text_is_data(tmp_path: Path) -> None:
    """A hostile name makes no element and no handler, and is cut; the page runs its own script alone."""
    name = HOSTILE + "x" * 10_000
    run = synthetic.run({name: synthetic.Speed(900, 900, 50)}, (name,), 1, None)
    reported(replace(run, record=replace(run.record, suite=name)), tmp_path / "reports")
    broken(tmp_path / "reports" / f"{OLD}..{NEW}", "index.html", "")
    broken(tmp_path / "reports" / f"{OLD}..{NEW}", "changes.json", json.dumps({"headline": name}))
    (tmp_path / "reports" / "<img src=x>").mkdir()
    text = overview(found(tmp_path))
    seen = Tags(text)
    assert not seen.tags & {"img", "iframe", "object", "link"}
    assert not seen.handlers
    assert not seen.styled
    assert "\u202e" not in text
    assert "x" * 500 not in text
    assert seen.scripts == {None: [embedded.own("overview.js")]}
    assert seen.policies[0].startswith("default-src 'none'; script-src 'sha256-")
    assert not re.search(r"</script|<!--", embedded.own("overview.js"), re.IGNORECASE)


def test_without_a_run_the_page_says_how_to_get_one(tmp_path: Path) -> None:
    """Also where neither folder is there yet; the page is written into a folder that it makes."""
    path = write_overview(tmp_path / "reports", Results(tmp_path / "results"))
    assert "There is no run yet" in path.read_text()
    assert [one.name for one in path.parent.iterdir()] == ["index.html"]


def test_a_folder_that_takes_nothing_is_told(tmp_path: Path) -> None:
    """Where the page can't be written the user learns where."""
    (tmp_path / "reports").write_text("")
    with pytest.raises(EnvironmentUnfit, match="can't be written"):
        write_overview(tmp_path / "reports", Results(tmp_path / "results"))


def test_a_page_that_is_a_folder_is_told(tmp_path: Path) -> None:
    """What stands where the page belongs is named with what to do; another folder of results is no remedy."""
    (tmp_path / "reports/index.html").mkdir(parents=True)
    with pytest.raises(EnvironmentUnfit, match="can't be written: Is a directory") as told:
        write_overview(tmp_path / "reports", Results(tmp_path / "results"))
    assert told.value.where == str(tmp_path / "reports")
    assert "--results" not in told.value.remedy


def test_it_is_written_whenever_a_report_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`webdyno report` lists its run; a report that goes elsewhere, or to the terminal, leaves the page."""
    for name in ("apps", "scenarios"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    synthetic.on_disk(small(), tmp_path / "results")
    page = tmp_path / "reports/index.html"
    for elsewhere in (["--format", "md"], ["--format", "csv", "--out", str(tmp_path / "mine")]):
        assert run_command_line(["report", *elsewhere]) == 0
        assert not page.exists()
    assert run_command_line(["report", "--format", "csv"]) == 0
    assert Tags(page.read_text()).addresses == [f"{OLD}/index.html"]
    assert "reports/index.html" not in capsys.readouterr().out
