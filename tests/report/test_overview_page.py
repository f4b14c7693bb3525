"""The page of all runs in a real browser, opened from the disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic
from accessible import SCHEMES_AND_WIDTHS, violations
from browser import Watched, viewing
from playwright.sync_api import expect

from harness.judgement.judge import judge
from harness.output.report.overview import write_overview
from harness.records.run import StoredRun
from harness.records.store import Results
from harness.records.summary_json import to_json

pytestmark = pytest.mark.slow

HIT = "document.title='hit'"
HOSTILE = f'</script><script>{HIT}</script><img src=x onerror="{HIT}">\u202e\'"`{{a|b}}'
FIRST, SECOND, THIRD = "20261124-120000-standard", "20261125-093000-rate", "20261126-070000-hello"


def reported(run: StoredRun, folder: Path) -> None:
    """Write what the page takes from a report."""
    own = folder / "reports" / run.id
    own.mkdir(parents=True)
    (own / "summary.json").write_text(to_json(judge(run)))
    (own / "index.html").write_text("<title>report</title>")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the page of three runs: a sealed one, one of which only the report is here, one without any."""
    first = synthetic.on_disk(synthetic.named(synthetic.recorded(), FIRST), tmp_path / "results")
    reported(first, tmp_path)
    two = {name: synthetic.BASE_SPEEDS[name] for name in ("fastapi-uvicorn", "flask-gunicorn")}
    second = synthetic.at_a_rate(synthetic.named(synthetic.run(two), SECOND))
    reported(replace(second, record=replace(second.record, suite="rate")), tmp_path)
    third = synthetic.on_disk(synthetic.named(synthetic.run(two, blocks=1), THIRD), tmp_path / "results")
    (third.folder / "manifest.json").unlink()
    pair = tmp_path / "reports" / f"{FIRST}..{SECOND}"
    pair.mkdir()
    (pair / "changes.json").write_text(json.dumps({"headline": "No change."}))
    (pair / "index.html").write_text("<title>pair</title>")
    (tmp_path / "reports" / "mine").mkdir()
    return write_overview(tmp_path / "reports", Results(tmp_path / "results"))


def shown(watched: Watched) -> list[str]:
    """Return the ids of the runs that are shown."""
    runs = watched.page.locator("#runs li:visible").all()
    return [one.locator("code").inner_text().removeprefix("webdyno report ") for one in runs]


def test_the_filters_choose_and_stand_in_the_address(path: Path) -> None:
    """Suite, variant and state narrow the list together; the address that comes of it opens the same view."""
    with viewing(path) as watched:
        page = watched.page
        assert shown(watched) == [THIRD, SECOND, FIRST]
        page.get_by_label("Suite").select_option("standard")
        assert shown(watched) == [THIRD, FIRST]
        page.get_by_label("Variant").select_option("django-gunicorn")
        expect(page.get_by_role("status")).to_have_text("1 of 3 runs")
        assert shown(watched) == [FIRST]
        address = page.url
        page.goto("about:blank")
        page.goto(address)
        assert shown(watched) == [FIRST]
        page.get_by_role("button", name="Reset").click()
        expect(page.locator("#runs li:visible")).to_have_count(3)
        page.get_by_label("State").select_option("report only")
        assert shown(watched) == [SECOND]
        page.goto(f"{path.as_uri()}#suite=nowhere&state=%3Cscript%3E")
        expect(page.locator("#runs li:visible")).to_have_count(3)
        assert watched.complaints == []


def test_links_lead_to_reports_and_nothing_else_is_asked_for(path: Path) -> None:
    """Each headline opens its page, from the disk; before that there is one request, the page's own."""
    with viewing(path) as watched:
        assert watched.asked == [path.as_uri()]
        for words, title in (("is fastest on hello (2.", "report"), ("No change.", "pair")):
            watched.page.get_by_role("link", name=words).click()
            expect(watched.page).to_have_title(title)
            watched.page.go_back()
        assert watched.page.get_by_role("link").count() == 3
        assert watched.complaints == []


def test_without_scripts_all_runs_are_there(path: Path) -> None:
    """Where no script runs there is the list, and no dead control."""
    with viewing(path, java_script_enabled=False) as watched:
        assert shown(watched) == [THIRD, SECOND, FIRST]
        assert watched.page.locator("form:visible").count() == 0


@pytest.mark.parametrize("name", [HOSTILE, "x" * 10_000, "__proto__"])
def test_hostile_names_break_nothing(tmp_path: Path, name: str) -> None:
    """Names of suites, variants, scenarios and pages are text: nothing runs, and all can be filtered by."""
    run = synthetic.run({name: synthetic.Speed(900, 900, 50)}, (name,), 1, None)
    reported(replace(run, record=replace(run.record, suite=name)), tmp_path)
    pair = tmp_path / "reports" / f"{FIRST}..{SECOND}"
    pair.mkdir()
    (pair / "changes.json").write_text(json.dumps({"headline": name}))
    (pair / "index.html").write_text("")
    (tmp_path / "reports" / HOSTILE.replace("/", "")).mkdir()
    path = write_overview(tmp_path / "reports", Results(tmp_path / "results"))
    with viewing(path) as watched:
        for choice in ("Suite", "Variant"):
            watched.page.get_by_label(choice).select_option(index=1)
            assert len(shown(watched)) == 1
        assert watched.page.title() == "webdyno: all runs"
        assert watched.page.locator("img").count() == 0
        assert watched.page.evaluate("document.documentElement.scrollWidth") == 1280
        assert watched.asked == [path.as_uri()]
        assert watched.complaints == []


@pytest.mark.parametrize(("scheme", "width"), SCHEMES_AND_WIDTHS)
def test_no_violation_of_wcag(path: Path, axe: str, scheme: str, width: int) -> None:
    """axe-core finds nothing on levels A and AA of WCAG 2.2, and nothing is wider than the screen."""
    with viewing(
        path, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
    ) as watched:
        assert violations(watched, axe) == []
        assert watched.page.evaluate("document.documentElement.scrollWidth") == width
