"""The page of two runs in a real browser, opened from the disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic
from accessible import SCHEMES_AND_WIDTHS, everything_open, violations
from browser import viewing
from playwright.sync_api import expect

from harness.judgement.changes import compare_runs
from harness.output.report.compared import write_compared
from harness.records.run import StoredRun

pytestmark = pytest.mark.slow

HIT = "document.title='hit'"
HOSTILE = f'</script><script>{HIT}</script><img src=x onerror="{HIT}">\u202e\'"`{{a|b}}'
NEW = "20261125-093000-standard"
Paired = Callable[[StoredRun, StoredRun], Path]


@pytest.fixture
def paired(tmp_path: Path) -> Paired:
    """Return what writes the page of two runs and returns its path."""
    return lambda base, new: write_compared(compare_runs(base, synthetic.named(new, NEW)), tmp_path)


def changed() -> tuple[StoredRun, StoredRun]:
    """Return two runs with every verdict: faster, slower, tie, invalid, and too few trials."""
    speeds = {
        **synthetic.BASE_SPEEDS,
        "flask-gunicorn": synthetic.Speed(3000, 310, 48),
        "fastapi-uvicorn": synthetic.Speed(8000, 131, 62),
    }
    new = synthetic.with_errors(synthetic.run(speeds, drift=0.001), "django-gunicorn", "history", range(1, 6))
    base = synthetic.run(drift=0.001, seed=8)
    new = synthetic.with_errors(new, "fastapi-uvicorn", "history", [2])
    return base, replace(new, record=replace(new.record, fingerprint={"kernel": "7.0"}))


def test_charts_are_drawn_and_nothing_is_asked_for(paired: Paired) -> None:
    """Each metric of each scenario draws every cell with its change, without a complaint or a request."""
    path = paired(*changed())
    with viewing(path) as watched:
        everything_open(watched)
        assert watched.page.locator("figure[data-chart]").count() == 10
        chart = watched.page.locator("figure[data-chart='change-requests_per_s']").first
        for words in ("slower", "faster", "tie"):
            expect(chart.locator("svg text", has_text=words)).to_have_count(1)
        last = watched.page.locator("figure[data-chart='change-requests_per_s']").last
        expect(last.locator("svg text", has_text="no valid trial in new")).to_have_count(1)
        expect(last.locator("svg text", has_text="too few trials")).to_have_count(1)
        assert watched.asked == [path.as_uri()]
        assert watched.complaints == []


def test_the_filters_choose_tables_and_charts(paired: Paired) -> None:
    """A scenario and variants are chosen in both, and stand in the address."""
    with viewing(paired(*changed())) as watched:
        page = watched.page
        page.locator("select[name=scenario]").select_option("hello")
        page.get_by_label("django-gunicorn", exact=True).uncheck()
        rows = page.locator("#figures tbody tr:visible th")
        assert set(rows.all_inner_texts()) == {"fastapi-uvicorn", "flask-gunicorn"}
        assert rows.count() == 10
        charts = page.locator("figure[data-chart]:visible")
        assert charts.count() == 5
        charts.first.scroll_into_view_if_needed()
        expect(charts.first.locator("svg text", has_text="django-gunicorn")).to_have_count(0)
        expect(charts.first.locator("svg text", has_text="flask-gunicorn")).to_have_count(1)
        assert page.url.endswith("#scenario=hello&variant=fastapi-uvicorn&variant=flask-gunicorn")
        assert watched.complaints == []


def test_changes_sort_as_the_numbers_that_they_are(paired: Paired) -> None:
    """From the greatest fall to the greatest rise, or the other way: a plus is a sign, and no word."""
    with viewing(paired(*changed())) as watched:
        table = watched.page.locator("#figures table").first
        for descending in (False, True):
            table.get_by_role("button", name="change %").click()
            shown = [float(text.split()[0]) for text in table.locator("td:nth-child(5)").all_inner_texts()]
            assert min(shown) < 0 < max(shown)
            assert shown == sorted(shown, reverse=descending)


def test_a_table_is_saved_with_its_bounds(paired: Paired) -> None:
    """The numbers that are saved are those of the changes, not what is rounded for the eye."""
    with viewing(paired(*changed()), accept_downloads=True) as watched:
        with watched.page.expect_download() as download:
            watched.page.get_by_role("button", name="Save as CSV: New over base").first.click()
        head, first, *_ = Path(download.value.path()).read_text().splitlines()
        assert head.startswith("scenario,load,variant,metric,base,new,ratio,low,high,p,floor,verdict")
        assert first.startswith('hello,"closed, 1000 users",django-gunicorn,requests_per_s,34')


@pytest.mark.parametrize("name", [HOSTILE, "x" * 10_000, "=cmd|' /C calc'!A0", "__proto__"])
def test_hostile_names_break_nothing(paired: Paired, name: str) -> None:
    """Names, versions, fingerprints and commands that attack the page are text in it, and all is drawn."""
    speed = synthetic.Speed(900, 900, 50)
    run = synthetic.run({name: speed, f"{name}-2": speed}, (name,), twin=None)
    record = replace(run.record, fingerprint={name: name}, command=name, services={name: name})
    told = replace(run.trials[0].record, versions={name: name})
    path = paired(
        run, replace(run, record=record, trials=(replace(run.trials[0], record=told), *run.trials[1:]))
    )
    with viewing(path) as watched:
        everything_open(watched)
        assert watched.page.locator("figure[data-chart]").count() == 5
        assert watched.page.title() != "hit"
        assert watched.page.locator("img").count() == 0
        assert watched.page.evaluate("document.documentElement.scrollWidth") == 1280
        assert watched.asked == [path.as_uri()]
        assert watched.complaints == []


def test_on_a_narrow_screen_no_control_is_hidden(paired: Paired) -> None:
    """Captions end beside the buttons that save, and a head that a keyboard comes to is seen."""
    with viewing(paired(*changed()), viewport={"width": 320, "height": 900}) as watched:
        page = watched.page
        everything_open(watched)
        caption = page.locator("caption", has_text="p99 of the response time").first
        caption.evaluate("one => one.innerHTML = `<span>${one.textContent}</span>`")
        text = caption.locator("span").bounding_box()
        save = page.get_by_role("button", name="Save as CSV: p99 of the response time").first.bounding_box()
        assert text is not None
        assert save is not None
        assert text["x"] + text["width"] <= save["x"]
        head = page.locator(".findings thead button").first
        head.focus()
        expect(head).to_be_in_viewport()


def test_without_scripts_all_figures_are_there(paired: Paired) -> None:
    """Where no script runs the answer and all tables are shown, and no dead control."""
    with viewing(paired(*changed()), java_script_enabled=False) as watched:
        page = watched.page
        assert "flask-gunicorn" in page.locator("h1").inner_text()
        assert page.locator("#figures table:visible").count() == 2
        assert page.locator("form:visible").count() == 0
        page.locator("#evidence summary").first.click()
        assert page.locator("#evidence tbody tr:visible").count() == 3


@pytest.mark.parametrize(("scheme", "width"), SCHEMES_AND_WIDTHS)
def test_no_violation_of_wcag(paired: Paired, axe: str, scheme: str, width: int) -> None:
    """axe-core finds nothing on levels A and AA of WCAG 2.2, and nothing is wider than the screen."""
    with viewing(
        paired(*changed()), color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
    ) as watched:
        everything_open(watched)
        assert violations(watched, axe) == []
        assert watched.page.evaluate("document.documentElement.scrollWidth") == width
